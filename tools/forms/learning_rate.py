"""Learning rate: powers of size, tokens and compute, transfer across batch, width and depth, and the price of a miss."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("lr = a N^b D^c; bs_tokens = d D^e; steps = D/bs_tokens")
def step_law(N: Any, D: Any, seq_len: Any = 2048.0, *, a: Any, b: Any, c: Any, d: Any, e: Any) -> dict[str, Any]:
    """Peak AdamW rate and batch in tokens; N without embeddings, all experts counted (Li et al. 2025, eq. 1)."""
    tokens = d * np.asarray(D, float) ** e
    lr = a * np.asarray(N, float) ** b * np.asarray(D, float) ** c
    return {"lr": lr, "bs_tokens": tokens, "bs_sequences": tokens / seq_len, "steps": D / tokens}


@form("y linear in ln x between the table's rows; the end rows hold beyond them")
def table_log_x(x: Any, *, xs: Any, ys: Any) -> Any:
    """A measured table read off between its rows, on a logarithmic axis."""
    return np.interp(np.log(np.asarray(x, float)), np.log(np.asarray(xs, float)), np.asarray(ys, float))


@form("lr = k (N/1e9)^-alpha (D/1e9)^-beta")
def learning_rate_horizon(N: Any, D: Any, *, k: Any, alpha: Any, beta: Any) -> Any:
    """Peak rate at a fixed batch of half a million tokens (Bjorck et al. 2024)."""
    return k * (np.asarray(N, float) / 1e9) ** -alpha * (np.asarray(D, float) / 1e9) ** -beta


@form("lr2 = lr1 (D1/D2)^beta")
def learning_rate_rehorizon(lr1: Any, D1: Any, D2: Any, *, beta: Any) -> Any:
    """A tuned rate carried to another token horizon at the same batch (Bjorck et al. 2024)."""
    return lr1 * (np.asarray(D1, float) / D2) ** beta


@form("lr = a C^b, B = c C^d tokens")
def rate_and_batch_of_compute(C: Any, *, a: Any, b: Any, c: Any, d: Any) -> dict[str, Any]:
    """Rate and batch from compute alone (DeepSeek-AI 2024, section 3.1)."""
    flops = np.asarray(C, float)
    return {"lr": a * flops**b, "B_tokens": c * flops**d}


@form("M = 72 n_layer d_model^2 + 12 n_layer d_model l_seq, C = M D")
def deepseek_compute(n_layer: Any, d_model: Any, l_seq: Any, D: Any) -> dict[str, Any]:
    """Non-embedding FLOPs per token with attention, and the compute of D tokens (DeepSeek-AI 2024, eq. 2)."""
    M = 72 * np.asarray(n_layer, float) * np.asarray(d_model, float) ** 2 + 12 * n_layer * np.asarray(d_model, float) * l_seq
    return {"M": M, "C": M * D}


@form("C = (72 n_layer d_model^2 + 12 n_layer d_model l_seq) D, lr = a C^b, B = c C^d tokens")
def deepseek_recipe(n_layer: Any, d_model: Any, l_seq: Any, D: Any, *, a: Any, b: Any, c: Any, d: Any) -> dict[str, Any]:
    """Rate and batch of a shape by the compute law (DeepSeek-AI 2024, section 3)."""
    cost = deepseek_compute(n_layer, d_model, l_seq, D)
    return {**rate_and_batch_of_compute(cost["C"], a=a, b=b, c=c, d=d), **cost}


@form("lr = a N^b, B = c N^d tokens")
def rate_and_batch_of_params(N: Any, *, a: Any, b: Any, c: Any, d: Any) -> dict[str, Any]:
    """Rate and batch from size alone, near 20 tokens per parameter (Porian et al. 2024)."""
    n = np.asarray(N, float)
    return {"lr": a * n**b, "B_tokens": c * n**d, "B_sequences": c * n**d / 2048}


@form("lr = c0 + c1 ln N")
def rate_log_params(N: Any, *, c0: Any, c1: Any) -> Any:
    """Rate falling with the logarithm of size (Kaplan et al. 2020, eq. D.1)."""
    return c0 + c1 * np.log(np.asarray(N, float))


@form("lr2 = lr1 (B2/B1)^p")
def rate_rebatch(lr1: Any, B1: Any, B2: Any, *, p: Any) -> Any:
    """A tuned rate carried to another batch: p = 1 for SGD, 1/2 for Adam (Granziol et al. 2020; Malladi et al. 2022)."""
    return lr1 * (np.asarray(B2, float) / B1) ** p


@form("m = width/base_width: hidden lr = lr_base/m, init std = std_base/sqrt(m), logits x 1/m, embedding lr = lr_base, wd = wd_base m")
def mup_adam(width: Any, base_width: Any, lr_base: Any = 1.0, init_std_base: Any = 1.0, wd_base: Any = 1.0, *,
             adam_hidden_lr: Any = -1.0, hidden_init_var: Any = -1.0, logit_multiplier: Any = -1.0, coupled_wd: Any = 1.0,
             adam_embed_lr: Any = 0.0) -> dict[str, Any]:
    """Width transfer of an Adam recipe by muP, as exponents of m (Yang et al. 2022, table 8)."""
    m = np.asarray(width, float) / base_width
    return {"width_multiplier": m, "lr_hidden": lr_base * m**adam_hidden_lr, "lr_embedding": lr_base * m**adam_embed_lr,
            "init_std": init_std_base * m ** (hidden_init_var / 2), "init_std_ratio": m ** (hidden_init_var / 2),
            "logit_multiplier": m**logit_multiplier, "wd_hidden": wd_base * m**coupled_wd}


@form("m = width/base_width: vector-like lr = lr_base m, hidden lr = lr_base, output lr = lr_base/m")
def mup_sgd(width: Any, base_width: Any, lr_base: Any = 1.0, *, sgd_vector_lr: Any = 1.0, sgd_hidden_lr: Any = 0.0) -> dict[str, Any]:
    """Width transfer of an SGD recipe by muP (Yang et al. 2022, table 8)."""
    m = np.asarray(width, float) / base_width
    return {"lr_vector": lr_base * m**sgd_vector_lr, "lr_hidden": lr_base * m**sgd_hidden_lr, "lr_output": lr_base / m}


@form("mL = depth/base_depth, mN = width/base_width: branch x mL^-alpha, hidden lr x mN^-1 mL^(alpha-1), wd x mN, eps x mN^-1 mL^-alpha")
def depth_transfer(depth: Any, base_depth: Any, width: Any = 1.0, base_width: Any = 1.0, lr_base: Any = 1.0, *,
                   alpha: Any) -> dict[str, Any]:
    """Joint depth and width transfer for pre-norm transformers (Yang et al. 2023; Dey et al. 2025)."""
    mL, mN = np.asarray(depth, float) / base_depth, np.asarray(width, float) / base_width
    return {"residual_multiplier": mL**-alpha, "lr_depth_factor": mL ** (alpha - 1), "lr_hidden": lr_base / mN * mL ** (alpha - 1),
            "lr_norm_bias": lr_base * mL ** (alpha - 1), "wd_factor": mN * np.ones_like(mL), "eps_factor": mL**-alpha / mN}


@form("branch scale = L^-alpha")
def branch_scale(L: Any, *, alpha: Any) -> Any:
    """Multiplier of each of L residual branches (Bordelon et al. 2023, alpha = 1/2)."""
    return np.asarray(L, float) ** -alpha


@form("m = width/d_base: lr = lr_0/m, init std = std_0/sqrt(m), residual x scale_depth/sqrt(n_layers), logits/m, embedding x scale_emb")
def minicpm_mup(width: Any, n_layers: Any, d_base: Any = 256.0, *, scale_emb: Any, scale_depth: Any, init_std: Any,
                lr: Any) -> dict[str, Any]:
    """Width and depth scaling of the MiniCPM recipe (Hu et al. 2024, table 7)."""
    m = np.asarray(width, float) / d_base
    depth = np.sqrt(np.asarray(n_layers, float))
    return {"lr_matrix": lr / m, "init_std_matrix": init_std / np.sqrt(m), "residual_scale": scale_depth / depth, "logit_scale": 1 / m,
            "embedding_scale": scale_emb * np.ones_like(m)}


@form("mean over rates of min(final_loss, init_loss) - best_loss")
def learning_rate_sensitivity(final_loss: Any, init_loss: Any) -> Any:
    """How much a sweep of rates (last axis) loses against its best one (Wortsman et al. 2023, section 2.2)."""
    capped = np.minimum(np.asarray(final_loss, float), np.asarray(init_loss, float)[..., None])
    return capped.mean(axis=-1) - capped.min(axis=-1)
