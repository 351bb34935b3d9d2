"""Sizes and losses of autoregressive transformers on images, video, maths and image-text data (Henighan et al. 2020)."""

from __future__ import annotations

from knowledge.errors import InputError, MissingInput
from knowledge.library import LawBook
from tools._law_values import law_value
from tools._modality import extrapolated, grid_table, plain
from tools.budget import Budget
from tools.convert import flops_to_pf_days
from tools.result import Assumption, Column, Notice, Result, Table, Value

LAW = "henighan2020"


def autoregressive(task: str, modality: str | None, usual: str, budget: Budget, params: float | None, laws: LawBook) -> Result:
    """Optimal size for a budget, or the converged loss of a size, for a modality of the law (`usual` where none is named).

    Raises InputError for an unknown modality, MissingInput when neither compute nor a size is stated.
    """
    name = modality or usual
    known = laws.get(LAW).variants_of("optimum")
    if name not in known:
        raise InputError("modality", f"no law for {name!r}", f"one of {', '.join(known)}")
    if budget.flops is not None:
        values, tables = _for_budget(budget.flops, name, known, laws)
    elif params is not None:
        values, tables = _for_size(params, name, laws)
    else:
        raise MissingInput((("compute_flops",), ("params_total",)), "a size per modality")
    assumed = [] if modality else [Assumption(field="modality", value=name, source="the common case of the paper for such data")]
    kaplan = "The size exponents come from the Kaplan-style procedure, which favours large models and few tokens."
    first = next(iter(values.values()))
    return Result(
        tool=task,
        task=task,
        headline=[key for key in values if key != "compute_flops"][:3],
        values=values,
        tables=tables,
        assumptions=[*assumed, *budget.assumptions],
        warnings=[*budget.notices, *extrapolated(first, LAW), Notice(level="caution", source=LAW, text=kaplan)],
    )


def _for_budget(flops: Value, modality: str, known: list[str], laws: LawBook) -> tuple[dict[str, Value], list[Table]]:
    at = {"C": flops_to_pf_days(plain(flops))}
    values = {
        "params_nonembedding": law_value(laws, LAW, "optimum", at, "N_opt", modality, "size without embeddings"),
        "tokens": law_value(laws, LAW, "optimum", at, "D_opt", modality, "training tokens"),
        "loss": law_value(laws, LAW, "loss_of_compute", at, "L", modality, "loss on the compute frontier"),
        "compute_flops": flops,
    }
    rows: list[list[float | int | str | bool | None]] = [
        [
            name,
            *(
                plain(law_value(laws, LAW, relation, at, output, name))
                for relation, output in (("optimum", "N_opt"), ("loss_of_compute", "L"))
            ),
        ]
        for name in known
    ]
    columns = [Column(name="modality"), Column(name="params_nonembedding", unit="params"), Column(name="loss", unit="nats/token")]
    title = "Optimal size and loss by modality at the same compute"
    return values, [Table(name="modalities", title=title, columns=columns, rows=rows, note="losses of different modalities do not compare")]


def _for_size(params: float, modality: str, laws: LawBook) -> tuple[dict[str, Value], list[Table]]:
    at = {"N": params}
    values = {
        "loss": law_value(laws, LAW, "loss_of_params", at, "L", modality, "converged loss"),
        "reducible_loss": law_value(laws, LAW, "loss_of_params", at, "reducible", modality, "part above the floor"),
    }
    axis = ("N", [params / 10, params / 3, params, 3 * params])
    return values, [
        grid_table(laws, "sizes", f"Converged loss by size, {modality}", LAW, "loss_of_params", axis, ("L", "reducible"), modality)
    ]
