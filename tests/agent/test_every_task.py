"""Every task of the brief answers end to end: a question in words, results with values, a source for each law used."""

import pytest

from agent import ask
from agent.brief import TASKS

QUESTIONS = {
    "allocate": "What is the compute-optimal model size and token count for 3e21 FLOPs?",
    "predict_loss": "What loss should I expect from a 3B model trained on 200B tokens?",
    "design_experiments": "Which small runs should we do before a 2e23 FLOP training run?",
    "compare_laws": "Compare Kaplan, Hoffmann and Besiroglu for a budget of 4e22 FLOPs.",
    "explain": "What does MFU mean?",
    "quantize": "How much loss does post-training quantization of a 3B model trained on 1T tokens to 4 bits add?",
    "qat": "What share of 500B tokens should be quantization-aware training for a 2B model at 4 bits?",
    "wall_clock": "How many days does it take to train 13B parameters on 400B tokens on 128 A100s?",
    "memory": "Can I train a 7B model on 4 H100s without running out of memory?",
    "cost": "What does it cost to train a 3B model on 300B tokens on H100s at $2 per GPU-hour?",
    "serve": "How many tokens per second does Llama 3 70B serve on 4 H100s at batch 32?",
    "hyperparameters": "Which learning rate and weight decay should I use for a 1B model on 50B tokens?",
    "batch_size": "What is the critical batch size for a 2B model on 100B tokens?",
    "lr_schedule": "How long should the cooldown of a WSD schedule be for 200B tokens?",
    "moe": "Should I train a mixture of experts with 32 experts or a dense model for 1e22 FLOPs?",
    "sparsity": "What is the optimal weight sparsity for 1e21 FLOPs with pruning during training?",
    "distill": "Should I distil a 3B student from a 30B teacher or train it directly on 100B tokens?",
    "vocabulary": "What vocabulary size is optimal for a 3B model?",
    "parallel_scaling": "With ParScale, what is a 2B model with 8 parallel streams worth?",
    "downstream": "What MMLU accuracy will a 7B model trained on 2T tokens reach?",
    "repeat_data": "We have 20B unique tokens; is repeating them for 6 epochs worth it for a 1B model?",
    "filter_data": "How aggressively should we filter our web crawl when training on 500B tokens?",
    "mix_data": "What share of finance text should the data mix have for domain pretraining of a 460M model?",
    "synthetic_data": "Will training on synthetic data of our own model lead to model collapse?",
    "finetune": "Should I finetune with LoRA or full finetuning on 20M tokens?",
    "rl": "How far will RL training get after 4000 GB200 hours according to ScaleRL?",
    "test_time": "With pass@1 of 15%, what is pass@64?",
    "diffusion": "What size of diffusion transformer is optimal for 1e21 FLOPs?",
    "video": "What is the optimal size of a video diffusion transformer for 1e21 FLOPs?",
    "multimodal": "What zero-shot ImageNet accuracy does a CLIP model reach with 1e12 GMAC?",
    "translation": "How should I split 1B parameters between encoder and decoder of a translation model?",
    "time_series": "How does the loss of a time series foundation model with 100M parameters scale?",
    "science": "How big should our interatomic potential for molecular dynamics be, and what does more data gain?",
}


def test_every_task_but_fit_and_out_of_scope_has_a_question():
    assert set(TASKS) - set(QUESTIONS) == {"fit", "out_of_scope"}  # a fit needs a table: tests/tools/test_fitting*.py


@pytest.mark.parametrize("task", sorted(QUESTIONS))
def test_a_question_of_the_task_answers(task):
    answer = ask(QUESTIONS[task])
    assert task in {answer.brief.task, *(answer.brief.also or [])}
    assert answer.results, answer.headline
    numbers = [value for result in answer.results for value in result.values.values()]
    assert numbers or task == "explain"
    laws = {value.law for value in numbers if value.law}
    assert laws <= {source.law for source in answer.sources}
    assert answer.sources or any(value.source or value.formula for value in numbers) or answer.results[0].reasons
