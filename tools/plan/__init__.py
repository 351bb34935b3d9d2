"""The joint planner: one optimum over size, tokens, epochs, width, accelerators and cost, not a chain of guesses."""

from tools.plan.problem import PlanRequest, Problem, resolve
from tools.plan.solve import Point, solve
from tools.plan.tool import branches_of, plan

__all__ = ["PlanRequest", "Point", "Problem", "branches_of", "plan", "resolve", "solve"]
