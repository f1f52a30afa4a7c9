"""The definitions of the terms in the report."""

HUMAN = "Human gap"  # a word that only studies with human scores need
WORDS = (
    (
        "Score",
        "The task's metric: between 0 and 1, or between −1 and 1 for Matthews, "
        "Pearson and Spearman correlations. A log2-likelihood per byte is minus the bits per byte; 0 is perfect. n is "
        "the number of evaluated examples, the same for every seed.",
    ),
    ("Drop", "<code>dense − score</code>: the loss due to compression, in units of the metric."),
    (
        "Relative score (%)",
        "<code>100 × score / dense</code>. Guessing alone keeps <code>100 × chance / dense</code>, which is much of "
        "the score of a hard task, so a hard task can look robust. Compare it with retention. Undefined (–) if the "
        "dense score is not above 0.",
    ),
    (
        "Retention (chance-corrected)",
        "<code>(score − baseline) / (dense − baseline)</code>: 1 is as good as dense, 0 is at the baseline, which is "
        "majority for models trained on class labels and chance otherwise. It is not clipped. Undefined (–) if the "
        "dense model itself is not above its baseline, because then there is nothing to retain. Without an interval if "
        "dense may be at the baseline, because then the data do not limit it.",
    ),
    (
        "Share lost",
        "<code>1 − retention</code>: 0 is as good as dense, 1 is at the baseline, below 0 is better than dense. The "
        "effects of all claims are shares lost or differences of them.",
    ),
    (
        "Condition and cell",
        "A condition is a task with its knobs, such as SciQ without the passage. A cell is one combination of model, "
        "condition, compression, transfer mode, protocol and seed: one job, one file.",
    ),
    (
        "d′",
        "The lead of the right option, in standard deviations of normal noise, with which an observer picks the right "
        "one of m options as often as the model does. Guessing plays no role in it. An easy condition starts at a "
        "higher d′, so it can lose more d′ and yet a smaller share.",
    ),
    (
        "Difficulty",
        "A number for each condition, by a named measure. <code>chance_corrected_dense_error</code> is "
        "<code>1 − (dense − chance) / (1 − chance)</code>: 0 if the dense model makes no errors, 1 if it guesses. It "
        "is computed from the same dense scores as the drop, so both share their noise. Within a task, difficulty is a "
        "knob: training rows, options, context or shots. The direction in which a knob is considered harder follows "
        "the paper; the figures show whether the loss is larger there.",
    ),
    (
        HUMAN,
        "<code>(human − dense) / human</code> (gap by human) and <code>(human − dense) / dense</code> (gap by dense), "
        "both in the task's metric; negative if the model is better. Human scores come from the papers cited below the "
        "table, which mostly used other rows of the data. The gap ignores chance, hides tasks at which both humans and "
        "the model do poorly, and compares scores in different metrics.",
    ),
    (
        "Dense",
        "The same model, task, knobs, protocol and seeds without compression. Without fine-tuning, it is the original "
        "model; for fine-tuned modes, it is dense transfer.",
    ),
    (
        "Chance and majority",
        "The scores of random guessing and of always giving the most frequent answer; for likelihoods, both are the "
        "score of the dense model without the question. A cell is <em>collapsed</em> if "
        "it predicts the same class for every example. Tables count collapsed seeds; figures show them as open "
        "markers.",
    ),
    (
        "Intervals",
        "95 % intervals, paired with the dense cell. They combine a bootstrap over examples with the spread between "
        "seeds (Student’s t), so two seeds give wide ones. <strong>With one seed, an interval covers only the sampling "
        "of examples</strong> and says nothing about other seeds. They are not corrected for multiple comparisons; the "
        "verdicts in the table of claims are.",
    ),
    (
        "Sparsity and N:M sparsity",
        "The fraction of the weights in scope that a mask sets to zero. Masks only simulate sparsity: no speedup and "
        "no memory saving is claimed. With <em>N:M sparsity</em>, N of every M consecutive weights are kept "
        "(<em>2 of 4 kept</em>). The code of the paper counts the <em>pruned</em> weights instead: its 1:4 is 3 of 4 "
        "kept here.",
    ),
    (
        "Effective bits per weight",
        "The storage of the weights in scope in the smallest plain format, divided by their number, so that different "
        "kinds of compression can be compared: 16 for dense weights and weights that a method skips; "
        "<code>16 × (1 − sparsity) + 1</code> for pruned weights (kept weights and a bitmask); <code>16 N/M</code> "
        "plus the index of the pattern for N:M sparsity; b bits plus the scale and zero point of each group for "
        "integers, or plus the scales of a number format; 16 for each number in the two factors of a low-rank matrix; "
        "at most 16. This is nominal storage: the package does not store weights this way, and no memory saving or "
        "speedup is claimed.",
    ),
)
