"""Mixtures of experts: the cases of the `moe` tool."""
