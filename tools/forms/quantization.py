"""Post-training quantization: added loss by size, tokens and bits; bits and bytes of weight formats; tables of measured accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form
from tools.forms.kaplan import kaplan_loss


@form("dq_loss = k D^beta/(N^alpha P^gamma)")
def quantization_degradation(N: Any, D: Any, P: Any, *, k: Any, beta: Any, alpha: Any, gamma: Any) -> Any:
    """Loss added by quantizing weights to P bits after training (Ouyang et al. 2024, eq. 6)."""
    return k * np.asarray(D, float) ** beta / (np.asarray(N, float) ** alpha * np.asarray(P, float) ** gamma)


@form("D = (dq_loss N^alpha P^gamma/k)^(1/beta)")
def tokens_for_degradation(dq_loss: Any, N: Any, P: Any, *, k: Any, beta: Any, alpha: Any, gamma: Any) -> Any:
    """Training tokens at which quantization to P bits adds a given loss (inverse of Ouyang et al. 2024, eq. 6)."""
    return (np.asarray(dq_loss, float) * np.asarray(N, float) ** alpha * np.asarray(P, float) ** gamma / k) ** (1 / beta)


@form("bits_per_weight = b + (scale_bits + zero_bits)/G; weight_bytes = N bits_per_weight/8")
def group_format(b: Any, G: Any, scale_bits: Any = 16.0, zero_bits: Any = 0.0, N: Any = 1.0) -> dict[str, Any]:
    """Bits of one weight with its group's scale and zero point, and the bytes of N weights (format definitions)."""
    bits = np.asarray(b, float) + (np.asarray(scale_bits, float) + zero_bits) / np.asarray(G, float)
    return {"bits_per_weight": bits, "weight_bytes": np.asarray(N, float) * bits / 8}


@form("weight_bytes = N bits_per_weight/8")
def weight_bytes(N: Any, *, bits_per_weight: Any) -> dict[str, Any]:
    """Bytes of N weights in a format, also in GB and GiB."""
    size = np.asarray(N, float) * bits_per_weight / 8
    return {"weight_bytes": size, "size_GB": size / 1e9, "size_GiB": size / 2**30, "bits_per_weight": bits_per_weight + 0 * size}


@form("N_max = 8 M/bits_per_weight")
def params_in_memory(M: Any, bits_per_weight: Any) -> Any:
    """Largest number of weights that M bytes hold (Dettmers and Zettlemoyer 2022 compare widths at equal total bits)."""
    return 8 * np.asarray(M, float) / bits_per_weight


def _row(P: Any, bits: Any) -> tuple[Any, Any]:
    """Place of each asked width in a table, and whether it is one of the table's."""
    widths, asked = np.asarray(bits, float), np.asarray(P, float)
    place = np.argmin(np.abs(asked[..., None] - widths), axis=-1)
    return place, np.isclose(asked, widths[place], atol=0.02)


@form("measured table: values at the width tried; none between")
def accuracy_table(P: Any, *, bits: Any, avg_acc: Any) -> dict[str, Any]:
    """Accuracy at one of the widths of a table, and the share of the first, unquantized row that it keeps."""
    place, hit = _row(P, bits)
    acc = np.asarray(avg_acc, float)
    return {"avg_acc": np.where(hit, acc[place], np.nan), "acc_kept": np.where(hit, acc[place] / acc[0], np.nan)}


@form("measured table: values at the width tried; none between")
def width_table(P: Any, *, bits: Any, avg_acc: Any, wiki_ppl: Any) -> dict[str, Any]:
    """Accuracy and perplexity at one of the widths of a table, beside its first, unquantized row (Liu et al. 2025)."""
    place, hit = _row(P, bits)
    ppl = np.asarray(wiki_ppl, float)
    return {**accuracy_table(P, bits=bits, avg_acc=avg_acc), "wiki_ppl": np.where(hit, ppl[place], np.nan),
            "ppl_ratio": np.where(hit, ppl[place] / ppl[0], np.nan)}


@form("loss_q = ((N_c/N)^(alpha_N/alpha_D) + D_c/D)^alpha_D + k D^beta/(N^alpha P^gamma)")
def quantized_kaplan_loss(N: Any, D: Any, P: Any, *, N_c: Any, D_c: Any, alpha_N: Any, alpha_D: Any, k: Any, beta: Any, alpha: Any,
                          gamma: Any) -> dict[str, Any]:
    """Loss before and after quantization to P bits (Ouyang et al. 2024, eqs. 6 and 8)."""
    full = kaplan_loss(N, D, N_c=N_c, D_c=D_c, alpha_N=alpha_N, alpha_D=alpha_D)
    added = quantization_degradation(N, D, P, k=k, beta=beta, alpha=alpha, gamma=gamma)
    return {"loss_q": full + added, "loss_16bit": full, "dq_loss": added}


@form("bits_per_weight = 8 weight_bytes/N")
def bits_of_file(weight_bytes: Any, N: Any) -> Any:
    """Bits per weight of a file of so many bytes."""
    return 8 * np.asarray(weight_bytes, float) / N
