"""Fixed text of the report: its style sheet and the definitions of its numbers."""

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
        "the metric named below the condition, as it is: between 0 and 1, and for Matthews, Pearson and Spearman "
        "correlations between −1 and 1. n is the number of examples, and every seed answers all of them.",
    ),
    ("Drop", "<code>dense − score</code>: what the compression costs, in the unit of the metric."),
    (
        "Percent of dense",
        "<code>100 × score / dense</code>. Guessing alone keeps <code>100 × chance / dense</code>, much of a hard "
        "task's score, so a hard task can look robust here. Read it beside the next one. Left empty (–) where the "
        "dense score is not above 0.",
    ),
    (
        "Chance-corrected retention",
        "<code>(score − chance) / (dense − chance)</code>: 1 is as good as dense, 0 is guessing. Left empty (–) where "
        "the dense model itself is not clearly above chance, because there is nothing to keep.",
    ),
    (
        "Difficulty",
        "a number of the condition by a named measure. <code>chance_corrected_dense_error</code> is "
        "<code>1 − (dense − chance) / (1 − chance)</code>: 0 when the dense model makes no error, 1 when it guesses. "
        "It is taken from the same dense scores as the drop, so the two share their noise. Inside one task a knob is "
        "the difficulty: training rows, options, context, shots. Which way is harder is how the paper reads the knob; "
        "whether more is lost there is what the figures show.",
    ),
    (
        "Human gap",
        "<code>(human − dense) / human</code> (gap by human) and <code>(human − dense) / dense</code> (gap by dense), "
        "both in the task's metric; below 0 where the model is better. Human figures are of the papers named below the "
        "table, mostly on other rows of the data than are scored here. The gap knows no chance, hides tasks at which "
        "human and model are both poor, and sets unlike metrics side by side.",
    ),
    (
        "Dense",
        "the same model, task, knobs, protocol and seeds without compression. Without fine-tuning it is the plain "
        "model; for fine-tuned modes it is dense transfer.",
    ),
    (
        "Chance and majority",
        "the score of blind guessing, and of always giving the most frequent answer. A cell is <em>collapsed</em> when "
        "it predicts one class for every example; the tables count such seeds, the figures draw them open.",
    ),
    (
        "Intervals",
        "95 % percentile intervals from a bootstrap over seeds and, crossed with them, examples, paired with the dense "
        "cell. <strong>With one seed an interval covers the examples only</strong> and says nothing about another; "
        "with two or three that differ much it is too narrow. They are given for each number alone, without correction "
        "for how many there are.",
    ),
    (
        "Sparsity and keep n of m",
        "the fraction of the candidate weights set to zero by a mask. Masks simulate sparsity: no speed and no memory "
        "saving is claimed. <em>Keep n of m</em> counts the weights that stay in each group of m; others write n:m for "
        "the weights <em>pruned</em> of m, so that their 1:4 is keep 3 of 4 here.",
    ),
    (
        "Effective bits per weight",
        "what the weights in the scope of compression would take on disk in the smallest plain format, divided by "
        "their number, so that unlike methods can be set side by side: 16 when dense or left out by the method; "
        "<code>16 × retention + 1</code> when pruned (kept weights and a bitmask), <code>16 n/m</code> and the index "
        "of the pattern when n of m are kept; b bits and the scale and zero point of each group when quantized; 16 "
        "for each number in the two factors of a low-rank matrix; never more than 16. It is a count on paper: nothing "
        "is stored that way here, and no memory saving or speed is claimed.",
    ),
)
