"""From training runs to benchmark scores: two-step ladders, pass-rate laws and principal components of public scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form
from tools.forms.chinchilla import chinchilla_loss, chinchilla_tokens_for_loss

Array = Any


@form("L = exp(log_A)/N^alpha + exp(log_B)/D^beta + E")
def ladder_loss(N: Array, D: Array, *, log_A: Any, log_B: Any, alpha: Any, beta: Any, E: Any) -> Array:
    """Task loss from params and tokens (Bhagia et al. 2024, step 1)."""
    return chinchilla_loss(np.asarray(N, float), np.asarray(D, float), E=E, A=np.exp(log_A), B=np.exp(log_B), alpha=alpha, beta=beta)


@form("accuracy = a/(1 + exp(-k (L - L0))) + b")
def sigmoid_accuracy(L: Array, *, a: Any, k: Any, L0: Any, b: Any) -> Array:
    """Accuracy from task loss; a < 0 (Bhagia et al. 2024, step 2)."""
    return a / (1 + np.exp(-k * (np.asarray(L, float) - L0))) + b


@form("L = L0 - log(a/(accuracy - b) - 1)/k")
def loss_for_sigmoid_accuracy(accuracy: Array, *, a: Any, k: Any, L0: Any, b: Any) -> Array:
    """Task loss at which an accuracy is reached; not a number outside the curve's range."""
    inner = a / (np.asarray(accuracy, float) - b) - 1
    return np.where(inner > 0, L0 - np.log(np.where(inner > 0, inner, 1.0)) / k, np.nan)


@form("L = exp(log_A)/N^alpha + exp(log_B)/D^beta + E; accuracy = a/(1 + exp(-k (L - L0))) + b")
def ladder_accuracy(
    N: Array, D: Array, *, log_A: Any, log_B: Any, alpha: Any, beta: Any, E: Any, a: Any, k: Any, L0: Any, b: Any
) -> dict[str, Array]:
    """Both steps chained: task loss, then accuracy."""
    loss = ladder_loss(N, D, log_A=log_A, log_B=log_B, alpha=alpha, beta=beta, E=E)
    return {"accuracy": sigmoid_accuracy(loss, a=a, k=k, L0=L0, b=b), "task_loss": loss}


@form("D = (exp(log_B)/(L - E - exp(log_A)/N^alpha))^(1/beta), L the loss at which the accuracy is reached")
def ladder_tokens_for_accuracy(
    accuracy: Array, N: Array, *, log_A: Any, log_B: Any, alpha: Any, beta: Any, E: Any, a: Any, k: Any, L0: Any, b: Any
) -> dict[str, Array]:
    """Tokens a size needs for an accuracy; infinite where it cannot reach it."""
    loss = loss_for_sigmoid_accuracy(accuracy, a=a, k=k, L0=L0, b=b)
    tokens = chinchilla_tokens_for_loss(loss, np.asarray(N, float), E=E, A=np.exp(log_A), B=np.exp(log_B), alpha=alpha, beta=beta)
    return {"D": tokens, "task_loss": loss}


@form("NLL = u + v log10(C); accuracy = lo + (hi - lo)/(1 + exp(s (NLL - m)))")
def compute_two_step(C: Array, *, u: Any, v: Any, s: Any, m: Any, lo: Any, hi: Any = 1.0) -> dict[str, Array]:
    """Benchmark accuracy from training compute through the likelihood of the right answer (Llama 3 report, section 3.2.1)."""
    nll = u + v * np.log10(np.asarray(C, float))
    return {"accuracy": lo + (hi - lo) / (1 + np.exp(s * (nll - m))), "NLL": nll}


@form("-mean log pass rate = alpha C^-k; pass_rate = exp(-alpha C^-k)")
def log_pass_rate(C: Array, *, alpha: Any, k: Any) -> dict[str, Array]:
    """Mean negative log pass rate and its exponential against compute or params (GPT-4 report; PassUntil task law)."""
    loss = alpha * np.asarray(C, float) ** -np.asarray(k, float)
    return {"mean_negative_log": loss, "pass_rate": np.exp(-loss)}


@form("N = (-log(p)/c)^(-1/alpha)")
def size_for_pass_rate(p: Array, *, c: Any, alpha: Any) -> Array:
    """Params or compute at which the log pass-rate law reaches a pass rate."""
    return (-np.log(np.asarray(p, float)) / c) ** (-1 / np.asarray(alpha, float))


@form("PU = r/K, expected K = r/p, relative standard error about 1/sqrt(r)")
def pass_until_samples(r: Array, p: Array) -> dict[str, Array]:
    """Samples until r successes at a pass rate p, and how well PU = r/K then resolves it (Hu et al. 2023)."""
    r = np.asarray(r, float)
    return {"expected_samples": r / np.asarray(p, float), "relative_error": r**-0.5 * np.ones_like(np.asarray(p, float))}


@form("BLEU = (log(A Dp^alpha))^beta")
def log_power_bleu(Dp: Array, *, A: Any, alpha: Any, beta: Any) -> Array:
    """Translation score after finetuning against pretraining tokens (Isik et al. 2024); 0 where the logarithm is negative."""
    return np.maximum(np.log(A * np.asarray(Dp, float) ** alpha), 0.0) ** beta


@form("CE = E + A2/Dp^alpha2")
def finetuned_cross_entropy(Dp: Array, *, E: Any, A2: Any, alpha2: Any) -> Array:
    """Downstream cross-entropy after finetuning against pretraining tokens (Isik et al. 2024)."""
    return E + A2 / np.asarray(Dp, float) ** alpha2


@form("PC1 = sum_j load_j (score_j - mean_j)")
def first_component(
    MMLU: Array,
    ARC_C: Array,
    HellaSwag: Array,
    Winogrande: Array,
    TruthfulQA: Array,
    GSM8K: Array,
    XWinograd: Array,
    HumanEval: Array,
    *,
    load: Array,
    mean: Array,
) -> Array:
    """Capability of a model from eight public benchmark accuracies (Ruan et al. 2024)."""
    scores = (MMLU, ARC_C, HellaSwag, Winogrande, TruthfulQA, GSM8K, XWinograd, HumanEval)
    load, mean = np.asarray(load, float), np.asarray(mean, float)
    return np.asarray(sum(load[j] * (np.asarray(score, float) - mean[j]) for j, score in enumerate(scores)))


@form("score_j = mean_j + load_j PC1, within 0..1 (loadings have unit norm)")
def scores_of_component(PC1: Array, *, load: Array, mean: Array) -> dict[str, Array]:
    """Benchmark accuracies that go with a capability when the smaller components are left out."""
    names = ("MMLU", "ARC_C", "HellaSwag", "Winogrande", "TruthfulQA", "GSM8K", "XWinograd", "HumanEval")
    load, mean = np.asarray(load, float), np.asarray(mean, float)
    return {name: np.clip(mean[j] + load[j] * np.asarray(PC1, float), 0.0, 1.0) for j, name in enumerate(names)}


@form("PC1 = slope ln(C/1e21) + icpt")
def family_component(C: Array, *, slope: Any, icpt: Any) -> Array:
    """Capability of a model family against training compute (Ruan et al. 2024)."""
    return slope * np.log(np.asarray(C, float) / 1e21) + icpt


@form("C = 1e21 exp((PC1 - icpt)/slope)")
def family_compute(PC1: Array, *, slope: Any, icpt: Any) -> Array:
    """Training compute at which a family reaches a capability."""
    return 1e21 * np.exp((np.asarray(PC1, float) - icpt) / slope)


@form("metric = h + (1-h)/(1 + exp(-(w1 PC1 + w2 PC2 + w3 PC3 + b)))")
def component_metric(PC1: Array, PC2: Array, PC3: Array, *, w1: Any, w2: Any, w3: Any, b: Any, h: Any = 0.0) -> Array:
    """A downstream metric from three components, with a fitted floor h (Ruan et al. 2024)."""
    return h + (1 - h) / (1 + np.exp(-(w1 * np.asarray(PC1, float) + w2 * PC2 + w3 * PC3 + b)))


@form("share(n) = sum of the first n explained shares")
def cumulative_share(n: Array, *, shares: Array) -> Array:
    """Variance explained by the first n components."""
    return np.cumsum(np.asarray(shares, float))[np.asarray(n, int) - 1]


@form("percent = 100 N_small D_small/(N_target D_target)")
def percent_of_target_compute(N_small: Array, D_small: Array, N_target: Array, D_target: Array) -> Array:
    """Compute of a small run in per cent of a target run, both counted as 6ND."""
    return 100 * np.asarray(N_small, float) * D_small / (np.asarray(N_target, float) * D_target)
