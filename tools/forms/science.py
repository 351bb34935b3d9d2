"""Relations of other sciences that the mission's list contains: Hall-effect thrusters."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form

STANDARD_GRAVITY = 9.80665  # m/s^2


@form("h = C_h d, m_dot = C_m h d, P = C_p U d^2, T = C_t m_dot sqrt(U), I_sp = T/(m_dot g), eta = T^2/(2 m_dot P)")
def hall_thruster(d: Any, U_d: Any, C_h: Any, C_m: Any, C_p: Any, C_t: Any) -> dict[str, Any]:
    """Channel width, mass flow, power, thrust, specific impulse and efficiency from channel size and voltage, SI units."""
    d, U = np.asarray(d, float), np.asarray(U_d, float)
    h = C_h * d
    m_dot = C_m * h * d
    P, T = C_p * U * d**2, C_t * m_dot * np.sqrt(U)
    return {"T": T, "h": h, "m_dot": m_dot, "P_d": P, "I_sp": T / (m_dot * STANDARD_GRAVITY), "eta_a": T**2 / (2 * m_dot * P)}


@form("eta = T^2/(2 m_dot P)")
def anode_efficiency(T: Any, m_dot: Any, P_d: Any) -> Any:
    """Anode efficiency from thrust, mass flow and discharge power."""
    return np.asarray(T, float) ** 2 / (2 * np.asarray(m_dot, float) * P_d)


@form("I_sp = T/(m_dot g), g = 9.80665 m/s^2")
def specific_impulse(T: Any, m_dot: Any) -> Any:
    """Specific impulse in seconds."""
    return np.asarray(T, float) / (np.asarray(m_dot, float) * STANDARD_GRAVITY)
