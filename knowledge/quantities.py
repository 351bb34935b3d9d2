"""The kinds of quantity a relation may take or return, with their unit: two quantities of different kind never mix.

What a parameter count counts, what a loss is measured on and what a batch is counted in differ between papers; the kind
is part of a relation's signature so that a law is only ever fed the convention it was fitted with.
"""

from __future__ import annotations

PF_DAY_FLOPS = 8.64e19  # 1e15 FLOP/s for 86,400 s (Kaplan et al. 2020, section 1.3)

# kind -> (unit, what it is)
QUANTITIES: dict[str, tuple[str, str]] = {
    "params_total": ("params", "all parameters, embeddings included"),
    "params_nonembedding": ("params", "parameters without vocabulary and position tables"),
    "params_without_input_embedding": ("params", "all parameters but the input embedding (the head is counted)"),
    "params_active": ("params", "parameters used per token"),
    "params_active_nonembedding": ("params", "parameters used per token, without embeddings"),
    "params_total_nonembedding": ("params", "all experts' parameters, without embeddings"),
    "params_vocabulary": ("params", "parameters of the vocabulary tables"),
    "params": ("params", "parameters; the source does not say which count"),
    "flops_per_token": ("FLOP/token", "model FLOPs per training token"),
    "tokens": ("tokens", "training tokens, repetitions counted"),
    "unique_tokens": ("tokens", "training tokens, repetitions not counted"),
    "characters": ("characters", "characters of text"),
    "samples": ("samples", "training samples (images, pairs, sequences...)"),
    "sequences": ("sequences", "sequences"),
    "flops": ("FLOP", "training compute"),
    "pf_days": ("PF-days", "training compute, 8.64e19 FLOP each"),
    "tokens_per_param": ("tokens/param", "training tokens per parameter"),
    "tokens_per_byte": ("tokens/byte", "training tokens per byte of weights"),
    "tokens_per_step": ("tokens/step", "batch size"),
    "sequences_per_step": ("sequences/step", "batch size"),
    "samples_per_step": ("samples/step", "batch size"),
    "steps": ("steps", "optimizer steps"),
    "epochs": ("epochs", "passes over the unique data"),
    "learning_rate": ("", "peak learning rate"),
    "weight_decay": ("", "weight decay coefficient"),
    "nats_per_token": ("nats/token", "cross-entropy per token"),
    "nats_per_character": ("nats/char", "cross-entropy per character"),
    "bits_per_byte": ("bits/byte", "cross-entropy per byte"),
    "loss": ("", "a loss in the source's own unit"),
    "loss_difference": ("nats/token", "difference of two cross-entropies"),
    "error_rate": ("", "share of wrong answers, 0..1"),
    "accuracy": ("", "share of right answers, 0..1"),
    "probability": ("", "probability, 0..1"),
    "score": ("", "a metric in the source's own unit"),
    "fraction": ("", "share, 0..1"),
    "ratio": ("", "quotient of two quantities of one kind"),
    "exponent": ("", "exponent of a power law"),
    "number": ("", "plain number"),
    "count": ("", "how many"),
    "bits": ("bits", "bits per value"),
    "bytes": ("bytes", "memory"),
    "seconds": ("s", "time"),
    "usd": ("USD", "money"),
    "layers": ("layers", "depth"),
    "width": ("", "hidden size"),
    "vocab_size": ("entries", "vocabulary size"),
    "experts": ("experts", "number of experts"),
}
