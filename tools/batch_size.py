"""`batch_size`: the best batch, the critical batch, and what a stated batch costs against them."""

from __future__ import annotations

from pydantic import Field

from knowledge.errors import MissingInput
from knowledge.library import LawBook
from tools._rules import Rule, alternatives, apply, ask, missing, rule_for
from tools.conventions import ParamCounts, param_counts
from tools.law import compute, evaluate
from tools.registry import ToolRequest, tool
from tools.result import Alternative, Assumption, Notice, Result, Value
from tools.surface import DEFAULT_LAW
from tools.systems.planning import CONTEXT_SOURCE, usual_context

NEEDS = (("tokens",), ("params_total",), ("compute_flops",), ("target_loss",), ("observed_loss",))
TOKENS_PER_PARAM = 20.0  # Hoffmann et al. 2022, table A3

# The first rule that has what it needs is the default; the others are shown beside it.
BEST = (
    Rule("li2025_steplaw", "batch_size", "bs_tokens", "best", "tokens decide; learning rate tuned along"),
    Rule("deepseek2024_hparams", "optimum", "B_tokens", "best", "compute decides; assumes compute-optimal size and tokens"),
    Rule("hu2024_minicpm", "batch_size", "B_tokens", "best", "loss decides, on C4"),
    Rule("porian2024_hparams", "optimum", "B_tokens", "best", "size decides, near 20 tokens per param"),
)
ANCHORED = Rule(
    "bergsma2025_powerlines",
    "optimal_batch_from_anchor",
    "B2",
    "best",
    "your earlier batch carried to the new horizon",
    extra={"B1": "batch_tokens_before", "D1": "tokens_before", "D2": "tokens"},
)
RECALLED = Rule(
    "bergsma2025_powerlines", "optimal_batch", "B_opt_tokens", "best", "prefactor recalled from memory, not confirmed", variant="prefactors"
)
CRITICAL = (
    Rule("zhang2024_cbs", "critical_batch_of_tokens", "CBS20_tokens", "critical", "a fifth more samples than at 256 sequences"),
    Rule("kaplan2020_bcrit", "critical_batch", "B_crit", "critical", "twice the fewest steps at twice the least data; loss of WebText2"),
)
ON_CHINCHILLA_LINE = Rule(
    "zhang2024_cbs", "critical_batch", "CBS20_tokens", "critical", "a fifth more samples than at 256 sequences, 20 tokens per param"
)


class SizedRun(ToolRequest):
    """The size, data and compute of a run whose settings are asked for. Units of the brief."""

    params_total: float | None = Field(default=None, gt=0, le=1e16)
    params_active: float | None = Field(default=None, gt=0)
    params_nonembedding: float | None = Field(default=None, gt=0, description="of a designed shape, where there is one")
    tokens: float | None = Field(default=None, gt=0, le=1e19)
    tokens_per_param: float | None = Field(default=None, gt=0)
    compute_flops: float | None = Field(default=None, gt=0)


class BatchSizeRequest(SizedRun):
    """Run and, to judge it, a stated batch; `tokens_before` is the horizon the stated batch suited. Units of the brief."""

    target_loss: float | None = Field(default=None, gt=0)
    observed_loss: float | None = Field(default=None, gt=0)
    batch_tokens: float | None = Field(default=None, gt=0)
    tokens_before: float | None = Field(default=None, gt=0)
    sequence_length: float | None = Field(default=None, gt=0)
    vocab_size: float | None = Field(default=None, gt=0)
    architecture: str | None = None
    model: str | None = None
    law: str | None = None


@tool(task="batch_size", title="The best batch size", needs=NEEDS)
def batch_size(request: BatchSizeRequest, laws: LawBook) -> Result:
    """Batch in tokens by the default or named law, the critical batch, and what the stated batch costs (Step Law; Zhang et al. 2024)."""
    assumptions: list[Assumption] = []
    facts = run_facts(request, assumptions, laws)
    rule = _rule(request, laws, facts)
    found = apply(rule, laws, facts)
    values = {
        "batch_tokens": found[rule.output].model_copy(
            update={"label": "critical batch" if rule.kind == "critical" else "best batch", "note": rule.note}
        )
    }
    values |= _counts(request, rule, found, values["batch_tokens"], facts, assumptions)
    critical = _critical(laws, facts, rule)
    if critical is not None:
        values["critical_batch_tokens"] = critical
    if rule is ANCHORED:
        values["batch_tokens"] = _with_interval(laws, facts, values["batch_tokens"])
    values |= _judge(request, laws, values)
    others = alternatives([other for other in (ANCHORED, *BEST) if other is not rule], laws, facts, "batch_tokens", "batch", rule.law)
    others += alternatives(
        [other for other in CRITICAL if other is not rule],
        laws,
        facts,
        "critical_batch_tokens",
        "critical batch",
        critical.law if critical else rule.law,
    )
    return Result(
        tool="batch_size",
        task="batch_size",
        values=values,
        alternatives=others + _ratio(laws),
        assumptions=assumptions,
        headline=[key for key in ("verdict", "batch_tokens", "batch_sequences", "critical_batch_tokens", "steps") if key in values],
        warnings=_notices(rule, values),
        reasons=_reasons(rule, request.law),
    )


def compute_optimal(flops: float, laws: LawBook, assumptions: list[Assumption]) -> tuple[float, float]:
    """(params, tokens) of least loss for a compute by the default law, noted as assumed: for a question that states compute alone."""
    best = evaluate(laws.get(DEFAULT_LAW), "optimum", {"C": flops}).values
    params, tokens = best["N"].number, best["D"].number
    assumptions += [
        Assumption(field=name, value=value, unit=name.split("_")[0], source=f"compute-optimal by {DEFAULT_LAW}; not stated")
        for name, value in (("params_total", params), ("tokens", tokens))
    ]
    return params, tokens


def run_facts(request: BatchSizeRequest, assumptions: list[Assumption], laws: LawBook) -> dict[str, float]:
    """What is known of the run, by kind of quantity, tokens and compute completed where the question allows."""
    facts: dict[str, float] = {}
    counts: ParamCounts | None = None
    if request.params_total is not None or request.model is not None:
        counts = param_counts(
            request.params_total or 0.0, request.vocab_size, request.model, request.params_active, request.params_nonembedding
        )
        facts |= counts.by_kind
    tokens, flops, total = request.tokens, request.compute_flops, facts.get("params_total")
    if tokens is None and total and request.tokens_per_param is not None:
        tokens = total * request.tokens_per_param
    if tokens is None and flops is not None and total:
        tokens = flops / (6 * facts["params_active"])
        assumptions.append(Assumption(field="tokens", value=tokens, unit="tokens", source="compute_flops / (6 params)"))
    loss = request.target_loss or request.observed_loss
    if flops is not None and tokens is None and total is None and loss is None and request.law is None:
        tokens = compute_optimal(flops, laws, assumptions)[1]
    if tokens is None and total and loss is None and request.law is None:
        tokens = TOKENS_PER_PARAM * total
        assumptions.append(Assumption(field="tokens", value=tokens, unit="tokens", source="not stated: 20 tokens per param (hoffmann2022)"))
    if flops is None and tokens is not None and total:
        flops = 6 * facts["params_active"] * tokens
    known = {
        "tokens": tokens,
        "flops": flops,
        "nats_per_token": loss,
        "tokens_before": request.tokens_before,
        "batch_tokens_before": request.batch_tokens,
    }
    if counts is not None and tokens is None:
        assumptions.append(counts.assumption)
    return facts | {key: value for key, value in known.items() if value is not None}


def _rule(request: BatchSizeRequest, laws: LawBook, facts: dict[str, float]) -> Rule:
    """The rule of the named law, else the first of the base that has what it needs."""
    near_line = request.tokens_per_param is not None and 15 <= request.tokens_per_param <= 25
    critical = (ON_CHINCHILLA_LINE, *CRITICAL) if near_line or "tokens" not in facts else (*CRITICAL, ON_CHINCHILLA_LINE)
    anchored = ANCHORED if request.tokens_before is not None else RECALLED
    named = rule_for(request.law, (*BEST, anchored, *critical), laws, facts, "tokens_per_step")
    if named is RECALLED and request.batch_tokens is not None:
        raise MissingInput((("tokens_before",),), "carrying your batch to another horizon by bergsma2025_powerlines")
    if named is not None:
        if lacking := missing(named, laws, facts):
            names = {"nats_per_token": "target_loss", "flops": "compute_flops"}
            raise MissingInput(
                (tuple("params_total" if key.startswith("params") else names.get(key, key) for key in lacking),),
                f"the batch size by {named.law}",
            )
        return named
    only_loss = facts.keys() <= {"nats_per_token", "batch_tokens_before"}  # a loss alone asks for the critical batch
    order = (*CRITICAL,) if only_loss and facts else (ANCHORED, *BEST, ON_CHINCHILLA_LINE, *CRITICAL)
    ready = next((rule for rule in order if ask(rule, laws, facts) is not None), None)
    if ready is None:
        raise MissingInput(NEEDS, "the batch size")
    return ready


def _counts(
    request: BatchSizeRequest, rule: Rule, found: dict[str, Value], batch: Value, facts: dict[str, float], assumptions: list[Assumption]
) -> dict[str, Value]:
    """The batch in sequences, and the steps it makes of the tokens."""
    values: dict[str, Value] = {}
    own = next((found[key] for key in ("CBS20_sequences",) if key in found), None)
    if own is not None and request.sequence_length is None:
        values["batch_sequences"] = own.model_copy(update={"label": "batch in sequences", "note": "of 512 tokens"})
    else:
        length = request.sequence_length or usual_context(
            facts.get("params_active") or facts.get("flops", 0.0) / (6 * facts.get("tokens", 1.0))
        )
        if request.sequence_length is None:
            assumptions.append(Assumption(field="sequence_length", value=length, unit="tokens", source=CONTEXT_SOURCE))
        values["batch_sequences"] = Value(
            value=batch.number / length,
            unit="sequences",
            label=f"batch in sequences of {length:,.0f} tokens",
            formula="B/sequence_length",
            inputs={"B": batch.number, "sequence_length": length},
        )
    if "tokens" in facts and rule.kind == "best":
        values["steps"] = Value(
            value=facts["tokens"] / batch.number,
            unit="steps",
            label="optimizer steps",
            quantity="steps",
            formula="D/B",
            inputs={"D": facts["tokens"], "B": batch.number},
        )
    return values


def _critical(laws: LawBook, facts: dict[str, float], rule: Rule) -> Value | None:
    """The critical batch by tokens (by size when tokens are unknown, by loss when both are)."""
    if rule.kind == "critical":
        return None
    for candidate in (CRITICAL[0], ON_CHINCHILLA_LINE, CRITICAL[1]):
        value = ask(candidate, laws, facts)
        if value is not None:
            return value.model_copy(update={"label": "critical batch", "note": candidate.note})
    return None


def _with_interval(laws: LawBook, facts: dict[str, float], value: Value) -> Value:
    """The published interval of the one exponent, carried through the ratio."""
    card = laws.get(ANCHORED.law)
    interval = card.variants["b_opt_exponent"].interval
    if interval is None:
        return value
    given = {"B1": facts["batch_tokens_before"], "D1": facts["tokens_before"], "D2": facts["tokens"]}
    ends = sorted(float(compute(card, ANCHORED.relation, given, None, {"m_o": bound})["B2"]) for bound in interval.bounds["m_o"])
    return value.model_copy(
        update={"low": ends[0], "high": ends[1], "level": interval.level, "interval_basis": "published interval of the exponent"}
    )


def _judge(request: BatchSizeRequest, laws: LawBook, values: dict[str, Value]) -> dict[str, Value]:
    """A stated batch against the best and the critical one: verdict, extra tokens to the same loss, excess loss."""
    stated, best, critical = request.batch_tokens, values["batch_tokens"], values.get("critical_batch_tokens", values["batch_tokens"])
    same = stated is not None and abs(stated / best.number - 1) < 1e-9  # handed on from the hyperparameters, not stated
    if stated is None or same or request.tokens_before is not None:
        return {}
    judged = {
        "batch_to_critical": Value(
            value=stated / critical.number, label="stated batch over the critical one", quantity="ratio", formula="B/B_crit"
        )
    }
    if best is not critical:
        judged["batch_to_best"] = Value(
            value=stated / best.number, label="stated batch over the best one", quantity="ratio", formula="B/B_best"
        )
    if critical.law == "zhang2024_cbs":
        judged |= _overhead(laws, critical.number, stated)
    if best.law == "li2025_steplaw" and 0.5 <= stated / best.number <= 2:
        judged["excess_loss"] = (
            evaluate(laws.get(best.law), "excess_loss_of_batch", {"batch_factor": stated / best.number})
            .values["excess"]
            .model_copy(update={"label": "relative loss above the best", "note": "mean of the released cells, learning rate tuned"})
        )
    word = (
        "above the critical batch: it costs more tokens for the steps it saves"
        if stated > critical.number
        else (
            "between the best and the critical batch: safe, at a small price"
            if best is not critical and stated > 1.25 * best.number
            else "near the best batch"
            if best is critical or stated > 0.8 * best.number
            else "below the best batch: efficient in tokens, but more steps than needed"
        )
    )
    return {"verdict": Value(value=word, label="the stated batch is"), **judged}


def _overhead(laws: LawBook, critical: float, batch: float) -> dict[str, Value]:
    """Extra tokens and steps at a batch, from the noise-scale batch that Zhang's definition of critical implies."""
    noise = (critical / 512 - 1.2 * 256) / 0.2 * 512
    if noise <= 0:
        return {}
    found = evaluate(laws.get("mccandlish2018_noise"), "overhead", {"B_over_Bcrit": batch / noise}).values
    extra = found["E_over_Emin"]
    return {
        "extra_tokens": extra.model_copy(
            update={
                "value": extra.number - 1,
                "label": "extra tokens to the same loss, against a tiny batch",
                "note": "noise-scale batch from Zhang's definition: CBS = 0.2 B_noise + 1.2 x 256 sequences",
            }
        )
    }


def _ratio(laws: LawBook) -> list[Alternative]:
    """How the batch grows with tokens by the two groups that disagree."""
    power = evaluate(laws.get("bergsma2025_powerlines"), "optimal_batch_ratio", {"D_ratio": 10.0}).values["B_opt_ratio"]
    return [
        Alternative(
            name="bergsma2025_powerlines",
            values={"batch_ratio_per_tenfold_tokens": power.model_copy(update={"label": "batch factor for ten times the tokens"})},
            note="Step Law's exponent is higher",
        )
    ]


def _notices(rule: Rule, values: dict[str, Value]) -> list[Notice]:
    notices: list[Notice] = []
    if rule is RECALLED:
        notices.append(
            Notice(
                level="warning",
                source=rule.law,
                text="The prefactor of this law is recalled from memory, not confirmed; state the tokens for which your "
                "present batch was right (tokens_before) and only the confirmed exponent is used.",
            )
        )
    if values["batch_tokens"].outside:
        notices.append(
            Notice(
                level="caution",
                source=rule.law,
                text="Extrapolated: " + "; ".join(values["batch_tokens"].outside) + ".",
            )
        )
    if rule.law in ("kaplan2020_bcrit", "hu2024_minicpm"):
        notices.append(
            Notice(
                level="caution",
                source=rule.law,
                text="The loss must be on this law's own corpus and tokenizer; another corpus gives another batch.",
            )
        )
    return notices


def _reasons(rule: Rule, law: str | None) -> list[str]:
    if law == rule.law:
        return [f"The question names {rule.law}."]
    why = f"{rule.law} has what it needs here: {rule.note}."
    return [why] if law is None else [f"{law} gives no batch size.", why]
