"""Mixture-of-experts laws: routed losses, effective expert counts, fine granularity, joint allocation, leverage over dense."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._minimise import minimise_log
from tools.forms._registry import form

_TINY_VALUE = 1e-300


@form("1/Eh = 1/(E - 1 + 1/(1/E_start - 1/E_max)) + 1/E_max")
def effective_experts(E: Any, *, E_start: Any, E_max: Any) -> Any:
    """Saturating expert count, E_start for a dense model (Clark et al. 2022, eq. 6)."""
    return 1 / (1 / (np.asarray(E, float) - 1 + 1 / (1 / E_start - 1 / E_max)) + 1 / E_max)


@form("log10 L = a log10 N + b log10 Eh + c log10 N log10 Eh + d")
def routed_loss(N: Any, E: Any, *, a: Any, b: Any, c: Any, d: Any, E_start: Any, E_max: Any) -> Any:
    """Validation loss of a routed model by dense size and expert count (Clark et al. 2022, eq. 7)."""
    n, e = np.log10(np.asarray(N, float)), np.log10(effective_experts(E, E_start=E_start, E_max=E_max))
    return 10 ** (a * n + b * e + c * n * e + d)


@form("EPC = N^(alpha(Eh)/alpha(E_start)) (Eh/E_start)^(b/alpha(E_start)), alpha(x) = a + c log10 x")
def effective_params(N: Any, E: Any, *, a: Any, b: Any, c: Any, E_start: Any, E_max: Any) -> dict[str, Any]:
    """Params of the dense model of equal loss, and how many times the routed model's own (Clark et al. 2022, eq. 10)."""
    Eh = effective_experts(E, E_start=E_start, E_max=E_max)
    base = a + c * np.log10(E_start)
    epc = np.asarray(N, float) ** ((a + c * np.log10(Eh)) / base) * (Eh / E_start) ** (b / base)
    return {"EPC": epc, "multiple": epc / N, "Eh": Eh}


@form("N_cutoff = 10^(-b/c)")
def routing_cutoff(*, b: Any, c: Any) -> Any:
    """Dense size at which more experts stop helping (Clark et al. 2022, section 5)."""
    return 10.0 ** (-b / np.asarray(c, float))


@form("L = c + (g/G^gamma + a)/N^alpha + b/D^beta")
def fine_grained_loss(N: Any, D: Any, G: Any, *, a: Any, alpha: Any, b: Any, beta: Any, g: Any, gamma: Any, c: Any) -> Any:
    """Loss of a fine-grained MoE by total params, tokens and granularity (Krajewski et al. 2024, eq. 7)."""
    return c + (g / np.asarray(G, float) ** gamma + a) / np.asarray(N, float) ** alpha + b / np.asarray(D, float) ** beta


@form("F = (12 d_model^2 c_f + d_model E G c_r) D n_blocks")
def fine_grained_flops(d_model: Any, n_blocks: Any, G: Any, D: Any, E: Any, *, c_f: float = 6.0, c_r: float = 14.0) -> dict[str, Any]:
    """Training FLOP with the router's share, total params and active dense size (Krajewski et al. 2024, eqs. 10 and 11)."""
    d = np.asarray(d_model, float)
    return {"F": (12 * d**2 * c_f + d * E * np.asarray(G, float) * c_r) * D * n_blocks, "N": d**2 * (8 * np.asarray(E,
            float) + 4) * n_blocks,
            "active": 12 * d**2 * n_blocks}


@form("least fine-grained loss over n_blocks and G in 1, 2, 4 ... 128 with d_model = 64 n_blocks and F fixed")
def fine_grained_optimum(F: Any, *, a: Any, alpha: Any, b: Any, beta: Any, g: Any, gamma: Any, c: Any, E: float = 64.0) -> dict[str, Any]:
    """Best granularity, size and tokens of a fine-grained MoE for a budget (Krajewski et al. 2024, section 5)."""
    F = np.asarray(F, float)
    G = (2.0 ** np.arange(8)).reshape(-1, *([1] * F.ndim))
    law = {"a": a, "alpha": alpha, "b": b, "beta": beta, "g": g, "gamma": gamma, "c": c}

    def split(n: Any) -> tuple[Any, Any]:
        unit = fine_grained_flops(64 * n, n, G, 1.0, E)
        return unit["N"], F / unit["F"]

    n = minimise_log(lambda n: fine_grained_loss(*split(n), G, **law), np.ones(np.broadcast(F, G).shape), 5000.0)
    N, D = split(n)
    losses = fine_grained_loss(N, D, G, **law)
    best = np.argmin(losses, axis=0)[None, ...]
    pick = {"N": N, "D": D, "n_blocks": n, "L": losses, "G": G * np.ones_like(N), "active": 12 * 64.0**2 * n**3}
    return {key: np.take_along_axis(value, best, axis=0)[0] for key, value in pick.items()}


@form("dense compute of equal loss over F: c + a_d/N^alpha_d + b_d/D^beta_d at its optimum equals the MoE's least loss")
def fine_grained_dense_multiple(F: Any, *, a: Any, alpha: Any, b: Any, beta: Any, g: Any, gamma: Any, c: Any, a_d: Any, alpha_d: Any,
                                b_d: Any,
                                beta_d: Any) -> Any:
    """How many times the compute a dense model needs to match the best MoE of a budget (Krajewski et al. 2024, figure 1)."""
    from tools.forms.allocation import chinchilla_compute_for_loss

    L = fine_grained_optimum(F, a=a, alpha=alpha, b=b, beta=beta, g=g, gamma=gamma, c=c)["L"]
    return chinchilla_compute_for_loss(L, E=c, A=a_d, B=b_d, alpha=alpha_d, beta=beta_d)["C"] / np.asarray(F, float)


def _reduced(E: Any, a: Any, alpha: Any, delta: Any, gamma: Any, b: Any, beta: Any, omega: Any, zeta: Any, E_start: Any, E_max: Any) -> Any:
    Eh = effective_experts(E, E_start=E_start, E_max=E_max)
    return {"Eh": Eh, "m": a * Eh**delta, "mu": -(alpha + gamma * np.log(Eh)), "n": b * Eh**omega, "nu": -(beta + zeta * np.log(Eh))}


@form("m = a Eh^delta, mu = -(alpha + gamma ln Eh), n = b Eh^omega, nu = -(beta + zeta ln Eh)")
def joint_moe_reduced(E: Any, *, a: Any, alpha: Any, delta: Any, gamma: Any, b: Any, beta: Any, omega: Any, zeta: Any, E_start: Any,
                      E_max: Any) -> dict[str, Any]:
    """Chinchilla-form coefficients L = m N^-mu + n D^-nu + c at an expert count (Ludziejewski et al. 2025, eq. 5)."""
    return _reduced(E, a, alpha, delta, gamma, b, beta, omega, zeta, E_start, E_max)


@form("L = a Eh^delta N_act^(alpha + gamma ln Eh) + b Eh^omega D^(beta + zeta ln Eh) + c")
def joint_moe_loss(N_act: Any, D: Any, E: Any, *, a: Any, alpha: Any, delta: Any, gamma: Any, b: Any, beta: Any, omega: Any, zeta: Any,
                   c: Any,
                   E_start: Any, E_max: Any) -> Any:
    """Loss of a dense or MoE model by active params, tokens and experts (Ludziejewski et al. 2025, eq. 4)."""
    r = _reduced(E, a, alpha, delta, gamma, b, beta, omega, zeta, E_start, E_max)
    return r["m"] * np.asarray(N_act, float) ** -r["mu"] + r["n"] * np.asarray(D, float) ** -r["nu"] + c


@form("N_total = 2 d V + (4 + 9 E) n d^2, N_act = 2 d V + 13 n d^2, d = 64 n, V = 50257")
def joint_moe_params(N_act: Any, E: Any, d_vocab: Any = 50257.0) -> dict[str, Any]:
    """Blocks, width and total params of an active size (Ludziejewski et al. 2025, app. B); the cubic in n has one real root."""
    q, p = np.asarray(N_act, float) / (13 * 64.0**2), 2 * 64.0 * d_vocab / (13 * 64.0**2)
    large = np.cbrt(q / 2 + np.sqrt((q / 2) ** 2 + (p / 3) ** 3))
    n = large - p / 3 / large
    d = 64 * n
    return {"N_total": 2 * d * d_vocab + (4 + 9 * np.asarray(E, float)) * n * d**2, "n_blocks": n, "d_model": d,
            "N_act_nonemb": 13 * n * d**2}


@form("N_act = Gc (F/6)^(nu/(mu+nu)), D = F/(6 N_act), Gc = (mu m/(nu n))^(1/(mu+nu))")
def joint_moe_optimum(F: Any, E: Any, *, a: Any, alpha: Any, delta: Any, gamma: Any, b: Any, beta: Any, omega: Any, zeta: Any, c: Any,
                      E_start: Any, E_max: Any) -> dict[str, Any]:
    """Active params and tokens of least loss for a budget at an expert count (Ludziejewski et al. 2025, eq. 6)."""
    r = _reduced(E, a, alpha, delta, gamma, b, beta, omega, zeta, E_start, E_max)
    total = r["mu"] + r["nu"]
    nd = np.asarray(F, float) / 6
    N = (r["mu"] * r["m"] / (r["nu"] * r["n"])) ** (1 / total) * nd ** (r["nu"] / total)
    D = nd / N
    return {"N_act": N, "D": D, "tokens_per_param": D / N, "L": r["m"] * N ** -r["mu"] + r["n"] * D ** -r["nu"] + c,
            "N_total": joint_moe_params(N, E)["N_total"]}


@form("least loss over E in 1, 2 ... 32 and N_act with bytes (N_total + 2 T n d) <= memory and 6 N_act D + 2 N_act D_inf = F")
def joint_moe_memory_optimum(F: Any, memory: Any, kv_tokens: Any, bytes_per_value: Any, D_inf: Any, *, a: Any, alpha: Any, delta: Any,
                             gamma: Any,
                             b: Any, beta: Any, omega: Any, zeta: Any, c: Any, E_start: Any, E_max: Any) -> dict[str, Any]:
    """Best expert count and active size when weights and KV cache must fit a memory (Ludziejewski et al. 2025, table 2)."""
    shape = np.broadcast(*(np.asarray(v, float) for v in (F, memory, kv_tokens, bytes_per_value, D_inf, a))).shape
    E = (2.0 ** np.arange(6)).reshape(-1, *([1] * len(shape))) * np.ones(shape)
    law = {"a": a, "alpha": alpha, "delta": delta, "gamma": gamma, "b": b, "beta": beta, "omega": omega, "zeta": zeta, "c": c,
           "E_start": E_start, "E_max": E_max}

    def loss(N: Any) -> Any:
        D = F / (6 * N) - D_inf / 3
        sizes = joint_moe_params(N, E)
        need = bytes_per_value * (sizes["N_total"] + 2 * kv_tokens * sizes["n_blocks"] * sizes["d_model"])
        return np.where((need <= memory) & (D > 0), joint_moe_loss(N, np.maximum(D, _TINY_VALUE), E, **law), np.nan)

    N = minimise_log(loss, np.full(E.shape, 1e6), 1e14)
    losses = loss(N * (1 - 1e-6))  # just inside the memory limit
    best = np.argmin(np.where(np.isnan(losses), np.inf, losses), axis=0)[None, ...]
    N, L, E = (np.take_along_axis(v, best, axis=0)[0] for v in (N, losses, E))
    return {"E": E, "N_act": N, "N_total": joint_moe_params(N, E)["N_total"], "D": F / (6 * N) - D_inf / 3, "L": L}


@form("LR = exp(k0 - k_N ln N_act_nonemb - k_E ln E)")
def moe_learning_rate(N_act_nonemb: Any, E: Any, *, k0: Any, k_N: Any, k_E: Any) -> Any:
    """Peak learning rate of an MoE (Ludziejewski et al. 2025, eq. 8)."""
    return np.exp(k0 - k_N * np.log(np.asarray(N_act_nonemb, float)) - k_E * np.log(np.asarray(E, float)))


@form("A = (E_a + E_s)/(E + E_s)")
def activation_ratio(E: Any, E_a: Any, E_s: Any = 0.0) -> dict[str, Any]:
    """Share of experts active per token, shared ones counted in both, and the sparsity 1 - A."""
    A = (np.asarray(E_a, float) + E_s) / (np.asarray(E, float) + E_s)
    return {"A": A, "S": 1 - A}


@form("EL = Ah^(alpha + gamma log2(G)^2 + beta log2 G), alpha = a + d log10 C, 1/Ah = 1/(A + 1/(1/A_start - 1/A_max)) + 1/A_max")
def efficiency_leverage(A: Any, G: Any, C: Any, *, a: Any, d: Any, gamma: Any, beta: Any, A_start: Any, A_max: Any) -> Any:
    """Dense compute over MoE compute at equal loss (Tian et al. 2025, eq. 13)."""
    Ah = effective_experts(np.asarray(A, float) + 1, E_start=A_start, E_max=A_max)
    g = np.log2(np.asarray(G, float))
    return Ah ** (a + d * np.log10(np.asarray(C, float)) + gamma * g**2 + beta * g)


@form("G_opt = 2^(-beta/(2 gamma))")
def leverage_best_granularity(*, beta: Any, gamma: Any) -> Any:
    """Granularity of greatest leverage (Tian et al. 2025, from eq. 13)."""
    return 2.0 ** (-beta / (2 * np.asarray(gamma, float)))


@form("eta = lr0 C^lr_exp, B = b0 C^b_exp")
def compute_hyperparameters(C: Any, *, lr0: Any, lr_exp: Any, b0: Any, b_exp: Any) -> dict[str, Any]:
    """Learning rate and batch size as powers of compute (Tian et al. 2025, eq. 3)."""
    C = np.asarray(C, float)
    return {"lr": lr0 * C**lr_exp, "batch": b0 * C**b_exp}


def _routing_factor(G: Any, S: Any, e: Any, f: Any, m: Any, n: Any) -> Any:
    G, S = np.asarray(G, float), np.asarray(S, float)
    return e * G + f / G + m * S**2 + n * S


@form("L = (e G + f/G + m S^2 + n S)(1/N^alpha + k/N_a^alpha + h N_a/N) + a/N^alpha + b/D^beta + c/N_a^alpha + eps")
def comprehensive_moe_loss(N: Any, D: Any, N_a: Any, G: Any, S: Any, *, e: Any, f: Any, m: Any, n: Any, k: Any, h: Any, a: Any, alpha: Any,
                           b: Any, beta: Any, c: Any, eps: Any) -> Any:
    """Loss by total and active params, tokens, active experts and shared share (Zhao et al. 2025)."""
    N, N_a = np.asarray(N, float), np.asarray(N_a, float)
    factor = _routing_factor(G, S, e, f, m, n)
    return factor * (N**-alpha + k * N_a**-alpha + h * N_a / N) + a * N**-alpha + b * np.asarray(D, float) ** -beta + c * N_a**-alpha + eps


@form("G_opt = sqrt(f/e), S_opt = -n/(2 m)")
def comprehensive_moe_shape(*, e: Any, f: Any, m: Any, n: Any) -> dict[str, Any]:
    """Best number of active experts and share of shared ones (Zhao et al. 2025)."""
    return {"G": np.sqrt(f / np.asarray(e, float)), "S": -n / (2 * np.asarray(m, float))}


@form("N_a = (alpha N (q k + c)/(q h))^(1/(1+alpha)), q = e G + f/G + m S^2 + n S")
def comprehensive_moe_activation(N: Any, G: Any, S: Any, *, e: Any, f: Any, m: Any, n: Any, k: Any, h: Any, alpha: Any,
                                 c: Any) -> dict[str, Any]:
    """Active params of least loss at a total size, and their share (stationary point of the law in N_a)."""
    q = _routing_factor(G, S, e, f, m, n)
    N = np.asarray(N, float)
    N_a = (alpha * N * (q * k + c) / (q * h)) ** (1 / (1 + alpha))
    return {"Na_over_N": N_a / N, "N_a": N_a}


@form("L = a/N^alpha + b/D^beta + c/(1-S)^lam + d/((1-S)^delta N^gamma) + e")
def sparse_moe_loss(N: Any, D: Any, S: Any, *, a: Any, alpha: Any, b: Any, beta: Any, c: Any, lam: Any, d: Any, delta: Any, gamma: Any,
                    e: Any) -> Any:
    """Loss by total params, tokens and expert sparsity (Abnar et al. 2025, eq. 5)."""
    N, active = np.asarray(N, float), 1 - np.asarray(S, float)
    return a / N**alpha + b / np.asarray(D, float) ** beta + c / active**lam + d / (active**delta * N**gamma) + e


@form("least loss over N with D = C/(6 N (1 - S)): active params taken as (1 - S) N")
def sparse_moe_optimum(C: Any, S: Any, *, a: Any, alpha: Any, b: Any, beta: Any, c: Any, lam: Any, d: Any, delta: Any, gamma: Any,
                       e: Any) -> dict[str, Any]:
    """Total params and tokens of least loss for a budget at a sparsity, routers and attention not set apart."""
    active = 1 - np.asarray(S, float)
    nd = np.asarray(C, float) / 6
    law = {"a": a, "alpha": alpha, "b": b, "beta": beta, "c": c, "lam": lam, "d": d, "delta": delta, "gamma": gamma, "e": e}
    span = np.ones(np.broadcast(nd, active, np.asarray(a)).shape)
    N = minimise_log(lambda n: sparse_moe_loss(n, nd / (n * active), S, **law), 1e6 * span, 1e16 * span)
    D = nd / (N * active)
    return {"N": N, "D": D, "N_active": N * active, "L": sparse_moe_loss(N, D, S, **law)}
