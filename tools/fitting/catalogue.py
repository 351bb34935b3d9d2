"""Every form that can be fitted, tied to its registered form in tools.forms."""

from __future__ import annotations

from tools.fitting.spec import FitForm, Parameter, amplitude, exponent, free, positive, register, term

_ND = {"N": "params", "D": "tokens"}
_FLOOR_ND = (amplitude("E"), amplitude("A"), amplitude("B"), exponent("alpha"), exponent("beta"))


def _log_term(name: str, column: str, power: str) -> Parameter:
    """The logarithm of a factor, started from the share its term has of the loss."""
    return term(name, (column, power, 1), log=False)


# Losses from size and data ---------------------------------------------------------------------------------------------
register(
    FitForm(
        "chinchilla",
        "Hoffmann et al. 2022: a floor and one power law each in parameters and tokens",
        "chinchilla_loss",
        _ND,
        _FLOOR_ND,
        aliases=("hoffmann", "approach3", "approach-3"),
    )
)
register(
    FitForm(
        "tied",
        "Chinchilla with one exponent for both terms",
        "tied_chinchilla_loss",
        _ND,
        (amplitude("E"), amplitude("A"), amplitude("B"), exponent("alpha")),
        aliases=("tied_chinchilla",),
    )
)
register(
    FitForm(
        "kaplan",
        "Kaplan et al. 2020, eq. 1.5: joint law without a floor",
        "kaplan_loss",
        _ND,
        (positive("N_c", 1e-2, 1e6, "N"), positive("D_c", 1e-2, 1e6, "D"), exponent("alpha_N", 0.03, 0.4), exponent("alpha_D", 0.03, 0.4)),
    )
)
register(
    FitForm(
        "kaplan_floor",
        "Kaplan's joint law above an irreducible loss",
        "kaplan_floor_loss",
        _ND,
        (
            amplitude("E"),
            positive("A", 1e-6, 1.0, "N"),
            positive("B", 1e-6, 1.0, "D"),
            exponent("alpha"),
            exponent("beta", bounds=(0.03, 5.0)),
        ),
    )
)
_STRETCH = {"bounds": (-1.0, 1.0)}
register(
    FitForm(
        "farseer",
        "Li et al. 2025: floor, data factor and data exponent all change with size (needs 25 runs)",
        "farseer_centred_loss",
        _ND,
        (
            free("g", 0.0, 1.2, (-8.0, 6.0)),
            free("g_slope", -0.2, 0.0, (-2.0, 1.0)),
            free("g_bend", -0.4, 0.4, **_STRETCH),
            free("b", -2.0, 1.0, (-9.0, 9.0)),
            free("b_slope", -0.2, 0.2, (-2.0, 2.0)),
            free("b_bend", -0.4, 0.4, **_STRETCH),
            free("a", -1.5, -0.4, (-4.0, 1.0)),
            free("a_slope", -0.1, 0.1, (-1.0, 1.0)),
            free("a_bend", -0.4, 0.4, **_STRETCH),
        ),
        centre=(("N_0", "N"), ("D_0", "D")),
    )
)
register(
    FitForm(
        "power_params",
        "one power law in parameters above a floor",
        "power_floor",
        {"x": "params"},
        (amplitude("y_0"), amplitude("k"), free("p", -0.9, -0.05, (-5.0, -0.005))),
    )
)
register(
    FitForm(
        "power_tokens",
        "one power law in tokens above a floor",
        "power_floor",
        {"x": "tokens"},
        (amplitude("y_0"), amplitude("k"), free("p", -0.9, -0.05, (-5.0, -0.005))),
    )
)
register(
    FitForm(
        "power_compute",
        "one power law in compute above a floor",
        "power_floor",
        {"x": "flops"},
        (amplitude("y_0"), amplitude("k"), free("p", -0.5, -0.03, (-5.0, -0.005))),
    )
)
register(
    FitForm(
        "broken_power",
        "Caballero et al. 2023: a power law with one smooth break, in parameters",
        "broken_power",
        {"N": "params"},
        (
            amplitude("E"),
            amplitude("A"),
            free("alpha", 0.05, 0.6, (-2.0, 5.0)),
            free("bend", -0.3, 0.5, (-3.0, 5.0)),
            positive("N_break", 0.05, 20.0, "N"),
            positive("width", 0.1, 1.0),
        ),
        aliases=("bnsl",),
    )
)

# Losses from more than size and data ------------------------------------------------------------------------------------
register(
    FitForm(
        "width_depth",
        "McLeish et al. 2025: width and depth beside parameters and tokens",
        "width_depth_loss",
        {"w": "width", "d": "depth", **_ND},
        (
            term("log_E", share=(0.2, 0.9), log=False),
            _log_term("cw", "w", "xw"),
            exponent("xw"),
            _log_term("cd", "d", "xd"),
            exponent("xd"),
            _log_term("cN", "N", "xN"),
            exponent("xN"),
            _log_term("cD", "D", "xD"),
            exponent("xD"),
        ),
    )
)
register(
    FitForm(
        "data_constrained",
        "Muennighoff et al. 2023: repeated tokens and excess parameters lose worth",
        "data_constrained_loss",
        {**_ND, "U_D": "unique_tokens"},
        (
            term("E", share=(0.3, 0.9)),
            term("A", ("N", "alpha", 1)),
            term("B", ("D", "beta", 1)),
            exponent("alpha"),
            exponent("beta"),
            positive("Rd", 1.0, 50.0),
            positive("Rn", 1.0, 50.0),
        ),
        output="L",
        aliases=("muennighoff", "repeated_data"),
    )
)
register(
    FitForm(
        "precision",
        "Kumar et al. 2024: loss under low-precision training of weights, activations and KV cache",
        "precision_loss",
        {**_ND, "P_w": "weight_bits", "P_a": "activation_bits", "P_kv": "kv_bits"},
        (
            amplitude("E"),
            amplitude("A"),
            amplitude("B"),
            exponent("alpha"),
            exponent("beta"),
            positive("gamma_w", 0.5, 4.0),
            positive("gamma_a", 0.5, 4.0),
            positive("gamma_kv", 0.5, 4.0),
        ),
        constants={"n_w": 0.0, "n_a": 0.0, "n_kv": 0.0},
        output="L",
    )
)
register(
    FitForm(
        "ptq",
        "Kumar et al. 2024: loss added by quantizing after training",
        "ptq_degradation",
        {**_ND, "P_post": "weight_bits"},
        (
            term("C_T", ("D", "gamma_D", -1), ("N", "gamma_N", 1), share=(0.5, 50.0)),
            exponent("gamma_D"),
            exponent("gamma_N"),
            positive("gamma_post", 0.3, 3.0),
        ),
        constants={"b": 0.0},
        target="loss_difference",
    )
)
register(
    FitForm(
        "qat_group",
        "Chen et al. 2025: loss of 4-bit quantization-aware training by group size",
        "qat_loss_by_group",
        {**_ND, "G": "group_size"},
        (
            amplitude("E"),
            amplitude("A"),
            amplitude("B"),
            amplitude("k"),
            exponent("alpha"),
            exponent("beta"),
            exponent("gamma_N"),
            exponent("gamma_D", 0.02, 0.4),
            exponent("gamma_G"),
        ),
    )
)
register(
    FitForm(
        "qat",
        "Dremov et al. 2025: loss after full-precision training, then quantization-aware training",
        "qat_loss",
        {"N": "params", "D_fp": "fp_tokens", "D_qat": "qat_tokens", "B": "weight_bits"},
        (
            amplitude("alpha"),
            amplitude("beta"),
            amplitude("zeta"),
            amplitude("theta"),
            amplitude("phi"),
            amplitude("lam"),
            exponent("gamma"),
            exponent("eta"),
            exponent("kappa", 0.2, 2.0),
            exponent("chi", 0.2, 2.0),
            exponent("psi", 0.05, 0.5),
            exponent("omega", 0.05, 0.5),
            exponent("mu", 0.2, 2.0),
            exponent("nu", 0.05, 0.5),
            exponent("xi", 0.05, 0.5),
            exponent("rho", 0.05, 0.5),
        ),
    )
)
register(
    FitForm(
        "moe",
        "sparse experts: total and active parameters, tokens",
        "sparse_experts_loss",
        {**_ND, "N_active": "active_params"},
        (*_FLOOR_ND, free("gamma", -0.2, 0.5, (-3.0, 3.0))),
    )
)
register(
    FitForm(
        "moe_granularity",
        "Krajewski et al. 2024: total parameters, tokens and granularity of the experts",
        "fine_grained_loss",
        {**_ND, "G": "granularity"},
        (amplitude("c"), amplitude("a"), amplitude("g"), amplitude("b"), exponent("alpha"), exponent("beta"), exponent("gamma", 0.2, 2.0)),
    )
)
register(
    FitForm(
        "moe_routed",
        "Clark et al. 2022: dense size and number of experts",
        "routed_loss",
        {"N": "params", "E": "experts"},
        (
            free("a", -0.15, -0.03, (-2.0, 0.0)),
            free("b", -0.4, 0.0, (-3.0, 3.0)),
            free("c", 0.0, 0.03, (-1.0, 1.0)),
            free("d", 0.5, 1.5),
            positive("E_start", 1.0, 3.0),
            positive("E_max", 100.0, 1000.0),
        ),
    )
)
register(
    FitForm(
        "sparsity",
        "Frantar et al. 2023: nonzero parameters, tokens and weight sparsity",
        "weight_sparsity_loss",
        {**_ND, "S": "sparsity"},
        (
            amplitude("c"),
            amplitude("a_S"),
            amplitude("c_S"),
            exponent("b_S", 0.2, 2.0),
            exponent("b_N"),
            positive("a_D", 1e-4, 1.0, "D"),
            exponent("b_D"),
        ),
    )
)
register(
    FitForm(
        "vocabulary",
        "Tao et al. 2024: non-vocabulary parameters, tokens and vocabulary parameters, on a normalised loss",
        "vocabulary_additive_loss",
        {**_ND, "V_size": "vocab_params"},
        (
            Parameter("E", linear=True),
            amplitude("A"),
            amplitude("B"),
            amplitude("V"),
            exponent("alpha"),
            exponent("beta"),
            exponent("gamma"),
        ),
        residual="linear",
        aliases=("vocab",),
    )
)
register(
    FitForm(
        "parscale",
        "Chen et al. 2025: parameters and parallel streams",
        "parallel_streams_loss",
        {"N": "params", "P": "streams"},
        (amplitude("E"), positive("A", 1e-3, 1.0), exponent("alpha"), positive("k", 0.05, 2.0)),
        aliases=("parallel_streams",),
    )
)

# Curves of one variable --------------------------------------------------------------------------------------------------
register(
    FitForm(
        "annealing",
        "Tissue et al. 2024: loss along training from the learning rate's forward and annealing areas",
        "annealing_areas",
        {"S1": "forward_area", "S2": "annealing_area"},
        (amplitude("L0"), amplitude("A"), Parameter("C", linear=True), exponent("alpha")),
    )
)
register(
    FitForm(
        "rectified",
        "Lin et al. 2024: loss after finetuning on D examples",
        "rectified_loss",
        {"D": "tokens"},
        (amplitude("E"), amplitude("B"), positive("D_l", 0.1, 100.0), exponent("beta")),
        aliases=("finetuning",),
    )
)
register(
    FitForm(
        "loss_to_loss",
        "Brandfonbrener et al. 2024: loss on one corpus from that on another",
        "loss_to_loss",
        {"L0": "other_loss"},
        (amplitude("E1"), amplitude("K"), exponent("kappa", 0.6, 1.6), positive("E0", 0.2, 0.8, "L0")),
    )
)
register(
    FitForm(
        "ladder",
        "Bhagia et al. 2024: accuracy from task loss, a sigmoid",
        "sigmoid_accuracy",
        {"L": "loss"},
        (Parameter("a", linear=True), Parameter("b", linear=True), positive("k", 0.5, 20.0), positive("L0", 0.7, 1.3, "L")),
        residual="linear",
        target="accuracy",
        aliases=("sigmoid", "ladder_sigmoid"),
    )
)
register(
    FitForm(
        "scalerl",
        "Khatri et al. 2025: reward against reinforcement-learning compute, a sigmoid",
        "saturating_pass_rate",
        {"C": "flops", "R0": "start_reward"},
        (free("A", 0.3, 1.0, (0.0, 5.0)), positive("B", 0.3, 3.0), positive("C_mid", 0.1, 10.0, "C")),
        residual="linear",
        target="reward",
        output="R",
    )
)
register(
    FitForm(
        "coverage",
        "Brown et al. 2024: share of problems solved in k attempts",
        "exponentiated_power",
        {"k": "samples"},
        (free("a", -6.0, -0.1, (-100.0, 0.0)), free("b", -0.9, -0.05, (-5.0, 0.0))),
        target="accuracy",
    )
)
register(
    FitForm(
        "mixing",
        "Ye et al. 2024: loss on a domain from its share of the mixture",
        "mixture_exponential",
        {"r": "share"},
        (amplitude("c"), amplitude("k"), free("t", -6.0, -0.2, (-60.0, 60.0))),
    )
)
