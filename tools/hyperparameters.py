"""`hyperparameters`: peak learning rate, weight decay and batch of a run, and their transfer across width, depth and horizon."""

from __future__ import annotations

from knowledge.errors import MissingInput
from knowledge.library import LawBook
from tools._recipe import TRANSFERS, HyperparametersRequest, carry_decay, carry_rate, transfer
from tools._rules import Rule, alternatives, apply, ask, missing, rule_for
from tools.batch_size import compute_optimal
from tools.conventions import param_counts
from tools.law import evaluate
from tools.registry import tool
from tools.result import Alternative, Assumption, Notice, Result, Value

NEEDS = (("params_total", "tokens"), ("params_total", "tokens_per_param"), ("compute_flops",))
RATES = (
    Rule("li2025_steplaw", "learning_rate", "lr", note="with the batch growing with tokens; cosine to a fixed low rate"),
    Rule("deepseek2024_hparams", "optimum", "lr", note="compute decides; on Step Law's grid 0.76% above the best loss"),
    Rule("bjorck2024_horizon", "learning_rate", "lr", note="at a fixed batch of half a million tokens; falls with tokens"),
    Rule("porian2024_hparams", "optimum", "lr", note="size decides, near 20 tokens per param"),
    Rule("kaplan2020_bcrit", "learning_rate", "lr", note="size decides; the oldest rule, no value beyond 1.2e10 params"),
)
BJORCK_BATCH = 5e5  # tokens per step of every run of Bjorck et al. 2024


@tool(task="hyperparameters", title="Learning rate, weight decay and batch")
def hyperparameters(request: HyperparametersRequest, laws: LawBook) -> Result:
    """Peak rate by Step Law (or the named law) with the others beside it, weight decay by Power Lines; or a tuned recipe carried over.

    Li et al. 2025; Bergsma et al. 2025; Yang et al. 2022 (width); Wang and Aitchison 2024 (horizon). Raises MissingInput.
    """
    if request.law in TRANSFERS or (request.base_width and request.width) or (request.base_depth and request.depth):
        return transfer(request, laws)
    if request.law == "wang2024_wd":
        return carry_decay(request, laws)
    if request.law == "bjorck2024_horizon" and request.tokens_before is not None and request.tokens is not None:
        return carry_rate(request, laws)
    return _recipe(request, laws)


def _recipe(request: HyperparametersRequest, laws: LawBook) -> Result:
    """Rate, batch and weight decay for a size and a horizon."""
    assumptions: list[Assumption] = []
    facts = _facts(request, assumptions, laws)
    rule = _rule(request.law, laws, facts)
    rate = apply(rule, laws, facts)[rule.output].model_copy(update={"label": "peak learning rate", "note": rule.note})
    values = {"lr": rate}
    batch = _batch(request, laws, facts) if rule.law != "bjorck2024_horizon" else _fixed_batch(request)
    if batch is not None:
        values["batch_tokens"] = batch
        values |= _rate_at_batch(request, laws, rate, batch)
    values |= _decay(request, laws, facts, values, assumptions)
    headline = ["lr", "lr_at_stated_batch", "batch_tokens", "weight_decay"]
    if request.law == "bergsma2025_powerlines":
        headline = ["weight_decay", "tau", "lr", "batch_tokens"]
    others = alternatives(RATES, laws, facts, "lr", "peak learning rate", rule.law)
    return Result(
        tool="hyperparameters",
        task="hyperparameters",
        headline=[key for key in headline if key in values],
        values=values,
        alternatives=others + _spread(rate, others),
        assumptions=assumptions,
        warnings=_notices(request, rate, rule),
        reasons=_reasons(request.law, rule),
    )


def _facts(request: HyperparametersRequest, assumptions: list[Assumption], laws: LawBook) -> dict[str, float]:
    facts: dict[str, float] = {}
    if request.params_total is not None or request.model is not None:
        counts = param_counts(
            request.params_total or 0.0, request.vocab_size, request.model, request.params_active, request.params_nonembedding
        )
        facts |= counts.by_kind
        assumptions.append(counts.assumption)
    total, tokens, flops = facts.get("params_total"), request.tokens, request.compute_flops
    if flops is not None and tokens is None and total is None and request.law != "deepseek2024_hparams":
        total, tokens = compute_optimal(flops, laws, assumptions)
        facts |= param_counts(total).by_kind
    if tokens is None and total is not None and request.tokens_per_param is not None:
        tokens = total * request.tokens_per_param
    if tokens is None and total is not None and flops is not None:
        tokens = flops / (6 * facts["params_active"])
        assumptions.append(Assumption(field="tokens", value=tokens, unit="tokens", source="compute_flops / (6 params)"))
    if flops is None and total is not None and tokens is not None:
        flops = 6 * facts["params_active"] * tokens
    known = {"tokens": tokens, "flops": flops}
    return facts | {key: value for key, value in known.items() if value is not None}


def _rule(law: str | None, laws: LawBook, facts: dict[str, float]) -> Rule:
    named = rule_for(law, RATES, laws, facts, "learning_rate")
    if named is not None:
        if lacking := missing(named, laws, facts):
            names = {"flops": "compute_flops"}
            raise MissingInput(
                (tuple("params_total" if key.startswith("params") else names.get(key, key) for key in lacking),),
                f"the learning rate by {named.law}",
            )
        return named
    ready = next((rule for rule in RATES[:2] if ask(rule, laws, facts) is not None), None)
    if ready is None:
        raise MissingInput(NEEDS, "the learning rate")
    return ready


def _batch(request: HyperparametersRequest, laws: LawBook, facts: dict[str, float]) -> Value | None:
    """Step Law's batch, which its rate belongs to; DeepSeek's where only compute is known."""
    rules = (Rule("li2025_steplaw", "batch_size", "bs_tokens"), Rule("deepseek2024_hparams", "optimum", "B_tokens"))
    order = rules[::-1] if request.law == "deepseek2024_hparams" else rules
    found = next((value for value in (ask(rule, laws, facts) for rule in order) if value is not None), None)
    return found.model_copy(update={"label": "best batch"}) if found is not None else None


def _fixed_batch(request: HyperparametersRequest) -> Value:
    """The batch Bjorck's rate belongs to, or the stated one."""
    return Value(
        value=request.batch_tokens or BJORCK_BATCH,
        unit="tokens/step",
        quantity="tokens_per_step",
        label="batch",
        law="bjorck2024_horizon",
        note="" if request.batch_tokens else "the law's fixed batch",
    )


def _rate_at_batch(request: HyperparametersRequest, laws: LawBook, rate: Value, batch: Value) -> dict[str, Value]:
    """The rate carried to a stated batch by Adam's square root, where it differs from the batch the rate belongs to."""
    stated = request.batch_tokens
    if stated is None or rate.law == "bjorck2024_horizon" or abs(stated / batch.number - 1) < 0.05:
        return {}
    moved = evaluate(laws.get("granziol2020_rmt"), "transfer", {"lr1": rate.number, "B1": batch.number, "B2": stated}, "adam").values["lr2"]
    return {
        "lr_at_stated_batch": moved.model_copy(
            update={
                "label": "peak learning rate at the stated batch",
                "note": "square root of the batch ratio; holds below the noise scale",
            }
        )
    }


def _decay(
    request: HyperparametersRequest, laws: LawBook, facts: dict[str, float], values: dict[str, Value], assumptions: list[Assumption]
) -> dict[str, Value]:
    """AdamW weight decay by Power Lines, for the rate and batch in use."""
    if "params" not in facts or "tokens" not in facts or "batch_tokens" not in values:
        return {}
    batch = request.batch_tokens or values["batch_tokens"].number
    rate = request.learning_rate or values.get("lr_at_stated_batch", values["lr"]).number
    if request.learning_rate is None:
        assumptions.append(Assumption(field="learning_rate", value=rate, source="the rate found here, for the weight decay"))
    given = {"N": facts["params"], "D": facts["tokens"], "B_tokens": batch, "lr": rate}
    found = evaluate(laws.get("bergsma2025_powerlines"), "weight_decay", given).values
    note = "for this batch and rate, linear decay to zero"
    return {
        "weight_decay": found["wd_opt"].model_copy(update={"label": "AdamW weight decay", "note": note}),
        "tau": found["tau_opt"].model_copy(update={"label": "averaging time as a share of the run"}),
        "tokens_per_param": found["TPP"].model_copy(update={"label": "tokens per param"}),
    }


def _spread(rate: Value, others: list[Alternative]) -> list[Alternative]:
    """The range over all laws, so that the disagreement is one number."""
    rates = [rate.number, *(item.values["lr"].number for item in others if not item.values["lr"].outside)]
    if len(rates) < 2:
        return []
    return [
        Alternative(
            name="spread over laws inside their range",
            note="largest over smallest",
            values={"lr_spread": Value(value=max(rates) / min(rates), label="factor between laws", quantity="ratio", formula="max/min")},
        )
    ]


def _notices(request: HyperparametersRequest, rate: Value, rule: Rule) -> list[Notice]:
    notices: list[Notice] = []
    if rate.outside:
        notices.append(
            Notice(
                level="caution",
                source=rule.law,
                text="Extrapolated: " + "; ".join(rate.outside) + ". Sweep the rate around the one given.",
            )
        )
    if rule.law == "li2025_steplaw" and request.architecture is not None and request.architecture.lower() == "moe":
        notices.append(
            Notice(level="info", source=rule.law, text="All experts are counted in the size, as the law's released MoE runs ask for.")
        )
    if rule.law == "deepseek2024_hparams" and request.compute_flops is None:
        notices.append(
            Notice(
                level="info",
                source=rule.law,
                text="The compute fed to the law is six FLOP per parameter and token; its own count adds attention.",
            )
        )
    return notices


def _reasons(law: str | None, rule: Rule) -> list[str]:
    if law is None:
        return [
            f"{rule.law} is the default: the widest grid of runs over rate and batch together; where laws differ they are shown beside it."
        ]
    return (
        [f"The question names {rule.law}."]
        if law in (rule.law, "kaplan2020", "porian2024")
        else [f"{law} gives no learning rate; {rule.law} answers."]
    )
