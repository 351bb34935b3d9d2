"""Results that a message lists side by side: "days, dollars, and does it fit?", in Chinese and Japanese too."""

from __future__ import annotations

import functools
import re

CJK_LETTER = re.compile("[\u3040-\u30ff\u3400-\u9fff]")

# Results as people list them: "days, dollars, and does it fit?", "size + lr + batch".
_RESULTS = {
    "wall_clock": r"days|weeks|months|duration|(?:training|wall.?clock) time|time to train|how long|eta|time",
    "cost": r"dollars|costs?|price|usd|\$|bill|money|how (?:much(?: money)?|expensive)(?= (?:for|to|would|will|does it cost|at|with|on|and)\b| ?[?,;]|$)",
    "memory": r"(?:peak |gpu )?memory|vram|does it (?:even )?fit|layout|sharding",
    "predict_loss": r"(?:final |expected )?(?:loss|nats|perplexity)",
    "hyperparameters": r"(?:peak |max )?(?:lr|learning rate)|weight decay",
    "batch_size": r"(?:global )?batch(?: ?size)?",
    "allocate": r"(?:model |optimal )?size|params|parameters|n|tokens|data|d",
    "lr_schedule": r"(?:lr |decay |learning rate )?schedule|warm-?up|cool-?down|decay",
    "downstream": r"mmlu|hellaswag|gsm8k|benchmarks?(?: scores?)?",
    "serve": r"throughput|latency|serving (?:cost|price)|inference cost",
}


_OF_A_NUMBER = re.compile(r"(?:\d ?[bmtk]?|billion|trillion|million|thousand)[ -](?:unique |training |tokens? )?$")
_CIRCUMSTANCES = re.compile(r"\b(?:with|at|same|per|of|in|by|given|from|regardless|fixed|untouched|constant) (?:the |our |same |fixed )*$")


@functools.cache
def _lists() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """(a list of at least two results, one of its items with a group a task)."""
    item = "|".join(f"(?P<{task}>{words})" for task, words in _RESULTS.items())
    plain = "|".join(_RESULTS.values())
    lead = r"(?:(?:the|what|which|then|also|its|how many|total|peak|optimal|best|expected|final) )*"
    link = r"(?: ?(?:,|;|&|\+|/|\band\b|\bplus\b|\bas well as\b))+ ?"
    return re.compile(rf"(?<![\w-]){lead}(?:{plain})(?:{link}{lead}(?:{plain}))+(?![\w-])"), re.compile(rf"(?<![\w-])(?:{item})(?![\w-])")


_CJK_RESULTS = {
    "wall_clock": r"(?:需要|要)?(?:多少天|几天|多久)|(?:训练)?时间|時間|期間|日数|天数",
    "cost": r"费用|成本|多少钱|花多少钱|費用|コスト",
    "memory": r"显存|メモリ量?",
    "predict_loss": r"(?:最终)?损失|最終?損失|損失",
    "hyperparameters": r"学习率|学習率",
    "batch_size": r"批量大小|批大小|批次大小|バッチサイズ",
    "allocate": r"模型大小|模型规模|参数量|モデルサイズ|パラメータ数",
}


@functools.cache
def _cjk_lists() -> re.Pattern[str]:
    item = "(?:" + "|".join(_CJK_RESULTS.values()) + ")"
    # Size and loss side by side are one plan and its result only where both are asked: a list of nouns, nothing between.
    return re.compile(rf"{item}(?:(?:和|与|及|以及|跟|,|と|および|や|、|加)(?:最优|最佳|最適な)?{item})+")


def listed(text: str) -> list[str]:
    """Tasks whose results a message lists side by side, in order; empty where it lists results of one task only."""
    if CJK_LETTER.search(text) and (run := _cjk_lists().search(text)):
        places = {task: match.start() for task, words in _CJK_RESULTS.items() if (match := re.search(words, run[0]))}
        return sorted(places, key=lambda task: places[task])
    several, one = _lists()
    for run in several.finditer(text):
        items = list(one.finditer(text, run.start(), run.end()))
        # "600B tokens, how many weeks", "512k batch, weight decay": what follows a number is said, not asked.
        items = [item for item in items if not _OF_A_NUMBER.search(text, max(0, item.start() - 24), item.start())]
        if _CIRCUMSTANCES.search(text, 0, run.start()):
            continue
        found = [str(match.lastgroup) for match in items]
        if "serve" in found:  # "latency and price" are two sides of serving
            found = [name for name in found if name not in ("cost", "memory")]
        if len(set(found)) > 1:
            return list(dict.fromkeys(found))
    return []


__all__ = ["CJK_LETTER", "listed"]
