"""The style sheet of the report and the definitions of its terms."""

STYLE = """
:root { color-scheme: light; --ink: #222; --soft: #5f5f5f; --line: #ddd; --wash: #f6f6f4 }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 66rem; color: var(--ink); background: #fff;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; overflow-wrap: break-word }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem }
h2 { font-size: 1.3rem; margin: 3rem 0 .6rem; padding-top: .8rem; border-top: 2px solid var(--ink) }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem }
p, dd, figcaption { max-width: 46rem }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem }
a { color: #0b5394 }
.lead { color: var(--soft); margin-top: 0 }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem }
dl.facts dt { color: var(--soft) } dl.facts dd { margin: 0 }
dl.words dt { font-weight: 600; margin-top: .8rem } dl.words dd { margin: .1rem 0 0 }
figure { margin: 1rem 0 1.4rem }
figcaption { margin-top: .5rem; font-size: .93rem; color: #333 }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 4px; background: #fff }
figure .wide img { display: block; width: 100%; min-width: 40rem; height: auto }
table { border-collapse: collapse; width: 100%; font-size: .82rem; font-variant-numeric: tabular-nums }
th, td { padding: .28rem .45rem; text-align: right; vertical-align: top; white-space: nowrap }
th { font-weight: 600 } thead th { border-bottom: 1.5px solid var(--ink); background: var(--wash); white-space: normal }
th.text, td.text { text-align: left } tbody { border-bottom: 1px solid var(--line) }
tbody th { text-align: left; white-space: normal; min-width: 8rem; max-width: 15rem; font-weight: 600 }
th small { color: var(--soft); font-weight: 400 }
td small { color: var(--soft); font-size: .92em } tr.dense td { background: var(--wash) } td.flag { font-weight: 700 }
details { margin: .7rem 0 } summary { cursor: pointer; font-weight: 600 }
code { font-size: .93em; background: var(--wash); padding: .05em .25em; border-radius: 3px }
pre { font-size: .8rem; line-height: 1.4; background: var(--wash); padding: .7rem; overflow-x: auto;
  white-space: pre-wrap; overflow-wrap: anywhere }
@media (max-width: 34rem) {
  dl.facts { grid-template-columns: 1fr } dl.facts dd { margin-bottom: .5rem }
  h1 { font-size: 1.4rem } }
@media print {
  @page { margin: 14mm 12mm }
  body { max-width: none; padding: 0; font-size: 10pt }
  nav, summary { display: none } a { color: inherit; text-decoration: none }
  .wide { overflow: visible; border: 0 } figure .wide img { min-width: 0 }
  figure, dl.words div, tr { break-inside: avoid } h2, h3, h2 + p { break-after: avoid }
  thead { display: table-header-group }
  table { font-size: 7.5pt } th, td { padding: .12rem .3rem } }
"""

WORDS = (
    (
        "Score",
        "The task's metric, which is named below the condition: between 0 and 1, or between −1 and 1 for Matthews, "
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
        "Difficulty",
        "A number for each condition, by a named measure. <code>chance_corrected_dense_error</code> is "
        "<code>1 − (dense − chance) / (1 − chance)</code>: 0 if the dense model makes no errors, 1 if it guesses. It "
        "is computed from the same dense scores as the drop, so both share their noise. Within a task, difficulty is a "
        "knob: training rows, options, context or shots. The direction in which a knob is considered harder follows "
        "the paper; the figures show whether the loss is larger there.",
    ),
    (
        "Human gap",
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
