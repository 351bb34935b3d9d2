"""`translation`: split of a translator between encoder and decoder, and what sampling weights give each language pair."""

from __future__ import annotations

from pydantic import Field

from knowledge.library import LawBook
from tools._law_values import law_value
from tools._modality import ModalityRequest, extrapolated, plain
from tools.registry import tool
from tools.result import Assumption, Column, Notice, Result, Table, Value

SPLIT, PAIRS, DOWNSTREAM = "ghorbani2021_nmt", "fernandes2023_mnmt", "isik2024_translation"
_EQUAL = 0.2  # any equal pair of exponents gives the same split
_ALPHA = 0.25  # exponent of the worked example of the pairs' law
_SHARES = (0.2, 0.35, 0.5, 0.65, 0.8)
_WEIGHTS = (0.05, 0.1, 0.3, 0.5, 0.7, 0.9)


class TranslationRequest(ModalityRequest):
    """A translation question: fields of the brief, and fitted exponents where there are some."""

    encoder_exponent: float | None = Field(default=None, gt=0)
    decoder_exponent: float | None = Field(default=None, gt=0)
    encoder_share: float | None = Field(default=None, gt=0, lt=1, description="share of the params a planned model gives its encoder")
    sampling_weight: float | None = Field(default=None, gt=0, le=1, description="sampling weight of one language pair")
    pair_exponent: float | None = Field(default=None, gt=0, description="exponent of the pairs' loss in params")


@tool(task="translation", title="Encoder and decoder size, sampling weights of a translator")
def translation(request: TranslationRequest, laws: LawBook) -> Result:
    """Best encoder-decoder split (Ghorbani et al. 2021) and effective size of a pair by sampling weight (Fernandes et al. 2023).

    Exponents per language pair are in the papers' tables only: equal ones are assumed and said unless some are given.
    """
    N = request.params_total
    values: dict[str, Value] = {}
    tables: list[Table] = []
    assumptions: list[Assumption] = []
    warnings: list[Notice] = []
    if N is not None:
        _split(request, N, laws, values, tables, assumptions)
        warnings += extrapolated(values["params_encoder"], SPLIT)
    elif request.sampling_weight is None:
        _share(request, laws, values, assumptions)
    _pairs(request, N, laws, values, tables, assumptions)
    if request.tokens is not None:
        warnings += _pretraining_notices(laws)
    headline = [
        key
        for key in (
            "params_encoder",
            "params_decoder",
            "params_effective",
            *(() if N else ("encoder_share", "effective_fraction")),
            "loss_ratio",
        )
        if key in values
    ]
    if request.law == PAIRS and "params_effective" in values:
        headline = ["params_effective", "loss_ratio"]
    return Result(
        tool="translation",
        task="translation",
        headline=headline,
        values=values,
        tables=tables,
        assumptions=assumptions,
        warnings=warnings,
        reasons=[
            "Shares of the optimum depend on the ratio of the two exponents alone, and any fixed split keeps the exponent of the total.",
            "Pairs out of English get about the share of the params they are sampled with; pairs into English get more.",
        ],
    )


def _exponents(request: TranslationRequest, assumptions: list[Assumption]) -> tuple[float, float]:
    """Exponents of encoder and decoder size, equal ones where none are stated."""
    pe, pd = request.encoder_exponent, request.decoder_exponent
    if pe is None or pd is None:
        pe, pd = pe or pd or _EQUAL, pd or pe or _EQUAL
        assumptions.append(
            Assumption(
                field="encoder_exponent",
                value=pe,
                source="equal exponents of encoder and decoder: none are published outside the paper's tables",
            )
        )
    return pe, pd


def _share(request: TranslationRequest, laws: LawBook, values: dict[str, Value], assumptions: list[Assumption]) -> None:
    """The encoder's share of the params, which does not depend on their number."""
    pe, pd = _exponents(request, assumptions)
    given = {"B": 1e8, "pe": pe, "pd": pd}
    values["encoder_share"] = law_value(laws, SPLIT, "split", given, "encoder_share", label="share of the encoder")


def _split(
    request: TranslationRequest, N: float, laws: LawBook, values: dict[str, Value], tables: list[Table], assumptions: list[Assumption]
) -> None:
    pe, pd = _exponents(request, assumptions)
    given = {"B": N, "pe": pe, "pd": pd}
    values["params_encoder"] = law_value(laws, SPLIT, "split", given, "Ne", label="encoder, without embeddings")
    values["params_decoder"] = law_value(laws, SPLIT, "split", given, "Nd", label="decoder, without embeddings")
    values["encoder_share"] = law_value(laws, SPLIT, "split", given, "encoder_share", label="share of the encoder")
    exponents = {"pe": pe, "pd": pd}
    if request.encoder_share is not None:
        values["split_penalty"] = law_value(
            laws,
            SPLIT,
            "split_penalty",
            {"encoder_share": request.encoder_share, **exponents},
            label="reducible loss of the stated split over the best one",
        )
    rows: list[list[float | int | str | bool | None]] = [
        [share, share * N, (1 - share) * N, plain(law_value(laws, SPLIT, "split_penalty", {"encoder_share": share, **exponents}))]
        for share in _SHARES
    ]
    columns = [
        Column(name="encoder_share"),
        Column(name="encoder", unit="params"),
        Column(name="decoder", unit="params"),
        Column(name="excess", label="reducible loss over the best"),
    ]
    tables.append(Table(name="splits", title="What another split costs", columns=columns, rows=rows))


def _pairs(
    request: TranslationRequest,
    N: float | None,
    laws: LawBook,
    values: dict[str, Value],
    tables: list[Table],
    assumptions: list[Assumption],
) -> None:
    alpha = request.pair_exponent or _ALPHA
    weight = request.sampling_weight
    if request.pair_exponent is None:
        assumptions.append(
            Assumption(field="pair_exponent", value=_ALPHA, source="a usual exponent; fit your own from a few sampling weights")
        )
    if weight is None:
        weight = 0.5
        assumptions.append(Assumption(field="sampling_weight", value=weight, source="two pairs of equal weight"))
    share = law_value(laws, PAIRS, "effective_fraction", {"p": weight}, label="effective share of the params of the pair")
    values["effective_fraction"] = share
    values["loss_ratio"] = law_value(
        laws, PAIRS, "loss_ratio", {"f": plain(share), "alpha": alpha}, label="reducible loss of the pair over that of a model of its own"
    )
    if N is not None:
        values["params_effective"] = law_value(
            laws, PAIRS, "effective_params", {"N": N, "f": plain(share)}, label="single-pair model the pair is worth"
        )
    rows: list[list[float | int | str | bool | None]] = []
    for p in _WEIGHTS:
        f = plain(law_value(laws, PAIRS, "effective_fraction", {"p": p}))
        rows.append([p, None if N is None else f * N, plain(law_value(laws, PAIRS, "loss_ratio", {"f": f, "alpha": alpha}))])
    columns = [
        Column(name="sampling_weight"),
        Column(name="params_effective", unit="params"),
        Column(name="loss_ratio", label="reducible loss ratio"),
    ]
    tables.append(Table(name="weights", title="A pair out of English by its sampling weight", columns=columns, rows=rows))


def _pretraining_notices(laws: LawBook) -> list[Notice]:
    notices = [
        Notice(
            level="caution",
            source=SPLIT,
            text="The translation laws of size have no data term; they hold near convergence on ample parallel text.",
        )
    ]
    if DOWNSTREAM in laws:
        card = laws.get(DOWNSTREAM)
        notices += [Notice(level="info", source=DOWNSTREAM, text=item.say) for item in card.advice[:2]] or [
            Notice(level="info", source=DOWNSTREAM, text=card.summary)
        ]
    return notices
