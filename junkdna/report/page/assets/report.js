(() => {
'use strict';
const $ = (s, r = document) => r.querySelector(s), $$ = (s, r = document) => [...r.querySelectorAll(s)];
const D = JSON.parse($('#data').textContent);
const num = (x, d = 2, sign) => { if (x == null || !isFinite(x)) return '–'; const s = Math.abs(x).toFixed(d); return (x < 0 && +s ? '−' : sign && +s ? '+' : '') + s; };
const el = (tag, props = {}, ...kids) => { const e = document.createElement(tag); for (const k in props) k in e ? e[k] = props[k] : e.setAttribute(k, props[k]); e.append(...kids.filter(k => k != null)); return e; };
const say = $('#say');
const put = async (text, b) => { const was = b.textContent; try { await navigator.clipboard.writeText(text); b.textContent = 'Copied'; } catch { const t = el('textarea', {value: text}); document.body.append(t); t.select(); b.textContent = document.execCommand('copy') ? 'Copied' : 'Could not copy'; t.remove(); } say.textContent = b.textContent; setTimeout(() => { b.textContent = was; }, 1500); };
const pick = (label, options) => { const s = el('select'); options.forEach(([v, t]) => s.append(el('option', {value: v, textContent: t}))); return [s, el('label', {className: 'f'}, el('span', {textContent: label}), s)]; };
const search = (label, hint, size) => { const s = el('input', {type: 'search', size, placeholder: hint}); return [s, el('label', {className: 'f'}, el('span', {textContent: label}), s)]; };
$$('[data-copy]').forEach(b => { b.onclick = () => put($(b.dataset.copy).innerText, b); });

/* ---- all numbers: sort, search, filters, pages, copies */
const T = D.table, PAGE = 300, at = name => T.fields.indexOf(name) + 1, isText = new Set(T.text);
const raw = (row, f) => isText.has(f) ? T.texts[row[f + 1]] : row[f + 1];
const shown = (row, c) => {
  const v = raw(row, c.f);
  if (c.d === null) return [v, ''];
  if (c.d === 0) return [v == null ? '–' : v.toLocaleString('en'), ''];
  const lo = c.l ? row[c.f + 2] : null, hi = c.l ? row[c.f + 3] : null;
  return [num(v, c.d), lo == null || hi == null ? '' : `[${num(lo, c.d)}, ${num(hi, c.d)}]`];
};
const table = $('#all'), body = table.tBodies[0], heads = $$('thead th', table), pager = $('#pager');
const words = T.rows.map(row => T.columns.map(c => shown(row, c).join(' ')).concat(raw(row, at('metric') - 1), raw(row, at('method') - 1), raw(row, at('experiment') - 1), raw(row, at('knobs') - 1)).join(' ').toLowerCase());
const S = {order: T.rows.map((_, i) => i), kept: [], page: 0, col: -1, up: true};
const line = i => {
  const row = T.rows[i], tr = el('tr', {id: row[0]});
  T.columns.forEach((c, k) => {
    const [v, iv] = shown(row, c), cell = el(k ? 'td' : 'th', k ? {className: c.c} : {scope: 'row'}, v);
    if (!k) cell.append(' ', el('a', {className: 'self', href: '#' + row[0], textContent: '#', 'aria-label': '# link to this row'}));
    if (iv) cell.append(' ', el('span', {className: 'iv', textContent: iv}));
    tr.append(cell);
  });
  return tr;
};
function draw() {
  const pages = Math.max(1, Math.ceil(S.kept.length / PAGE)); S.page = Math.min(S.page, pages - 1);
  body.replaceChildren(...S.kept.slice(S.page * PAGE, (S.page + 1) * PAGE).map(line));
  count.textContent = `${S.kept.length.toLocaleString('en')} of ${T.rows.length.toLocaleString('en')} rows`;
  pager.hidden = pages < 2; if (pages < 2) return;
  const go = (text, to, off) => el('button', {type: 'button', className: 'btn', textContent: text, disabled: off, onclick: () => { S.page = to; draw(); table.scrollIntoView({block: 'start'}); }});
  pager.replaceChildren(go('Previous rows', S.page - 1, !S.page), ` page ${S.page + 1} of ${pages} `, go('Next rows', S.page + 1, S.page === pages - 1));
}
function filter() {
  const w = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  S.kept = S.order.filter(i => w.every(x => words[i].includes(x)) && picks.every(([s, f]) => !s.value || raw(T.rows[i], f) === s.value));
  S.page = 0; draw();
}
function sort(c, up) {
  S.col = c; S.up = up; const {f} = T.columns[c], text = isText.has(f);
  const cmp = text ? (a, b) => a.localeCompare(b, 'en', {numeric: true}) : (a, b) => a - b;
  S.order = T.rows.map((_, i) => i).sort((i, j) => { const a = raw(T.rows[i], f), b = raw(T.rows[j], f); return a == null ? (b == null ? i - j : 1) : b == null ? -1 : cmp(a, b) * (up ? 1 : -1) || i - j; });
  heads.forEach((h, k) => k === c ? h.setAttribute('aria-sort', up ? 'ascending' : 'descending') : h.removeAttribute('aria-sort')); filter();
}
heads.forEach((th, c) => { const b = el('button', {type: 'button'}); b.append(...th.childNodes); th.replaceChildren(b); b.onclick = () => sort(c, th.getAttribute('aria-sort') !== 'ascending'); });
const [find, findL] = search('Find', 'such as 70 % no passage', 18), count = el('span', {className: 'muted', role: 'status'}), picks = [], labels = [];
const by = {experiment: 'Experiment', model: 'Model', method: 'Method', transfer: 'Fine-tuning'};
for (const name in by) {
  const f = at(name) - 1, values = [...new Set(T.rows.map(r => raw(r, f)))];
  if (values.length < 2) continue;
  const [s, l] = pick(by[name], [['', 'all'], ...values.map(v => [v, v])]); picks.push([s, f, name]); labels.push(l);
}
[find, ...picks.map(p => p[0])].forEach(e => e.addEventListener('input', filter));
const quote = s => { s = s == null ? '' : String(s); return /[",\n]/.test(s) ? '"' + s.replace(/"/g, '""') + '"' : s; };
const plain = i => T.columns.map(c => shown(T.rows[i], c).filter(Boolean).join(' '));
const headTexts = heads.map(h => h.textContent.trim().replace(/\s+/g, ' '));
const button = (text, act) => el('button', {type: 'button', className: 'btn', textContent: text, onclick: e => act(e.target)});
const csv = () => [T.fields, ...S.kept.map(i => T.fields.map((_, f) => raw(T.rows[i], f)))].map(r => r.map(quote).join(',')).join('\n') + '\n';
const tex = s => s.replace(/[\\&%$#_{}~^]/g, c => ({'\\': '\\textbackslash{}', '~': '\\textasciitilde{}', '^': '\\textasciicircum{}'}[c] || '\\' + c)).replace(/−/g, '$-$').replace(/–/g, '--').replace(/ ·/g, ' $\\cdot$');
const markdown = () => [headTexts, headTexts.map(() => '---'), ...S.kept.map(plain)].map(a => '| ' + a.map(x => x.replace(/\|/g, '\\|')).join(' | ') + ' |').join('\n');
const latex = () => `\\begin{tabular}{${T.columns.map(c => c.d === null ? 'l' : 'r').join('')}}\n\\hline\n` + [headTexts, null, ...S.kept.map(plain)].map(a => a ? a.map(tex).join(' & ') + ' \\\\' : '\\hline').join('\n') + '\n\\hline\n\\end{tabular}\n';
$('#tctl').append(findL, ...labels, button('Download these rows (CSV)', () => { const a = el('a', {href: URL.createObjectURL(new Blob([csv()], {type: 'text/csv'})), download: `junkdna-${D.study}.csv`}); a.click(); setTimeout(() => URL.revokeObjectURL(a.href), 1e3); }), button('Copy as Markdown', b => put(markdown(), b)), button('Copy as LaTeX', b => put(latex(), b)), count);
$$('[data-experiment]').forEach(a => a.addEventListener('click', () => { const p = picks.find(q => q[2] === 'experiment'); if (p) { p[0].value = a.dataset.experiment; filter(); } }));
function toRow() {
  const i = T.rows.findIndex(r => '#' + r[0] === location.hash); if (i < 0) return;
  if (!S.kept.includes(i)) { find.value = ''; picks.forEach(p => { p[0].value = ''; }); filter(); }
  S.page = Math.floor(S.kept.indexOf(i) / PAGE); draw(); const tr = document.getElementById(T.rows[i][0]); $$('tr.here', table).forEach(t => t.classList.remove('here')); tr.classList.add('here'); tr.scrollIntoView({block: 'center'});
}
addEventListener('hashchange', toRow);
const fits = new ResizeObserver(() => { const box = table.parentElement; $('#hint').hidden = box.scrollWidth <= box.clientWidth; });
fits.observe(table); fits.observe(table.parentElement);
S.kept = [...S.order];
if (T.rows.length <= body.rows.length) count.textContent = `${T.rows.length} of ${T.rows.length} rows`; else draw();
if (location.hash.startsWith('#row-')) toRow();

/* ---- browser of flipped examples */
const B = D.browse, box = $('#bctl');
if (box && B.length) {
  const st = {c: 0, k: B[0].comps.length - 1, kind: '', q: '', n: 6};
  const [sc, scL] = pick('Condition', B.map((b, i) => [i, b.label])), [sl, slL] = pick('Compressed', []), [sk, skL] = pick('Show', [['', 'broken and fixed'], ['broken', 'broken'], ['fixed', 'fixed']]), [sq, sqL] = search('Find', 'id or word', 12);
  box.append(scL, slL, skL, sqL);
  const kind = r => r.r[0] > r.r[st.k] ? 'broken' : r.r[0] < r.r[st.k] ? 'fixed' : '';
  const levels = () => { const cs = B[st.c].comps; st.k = Math.min(st.k, cs.length - 1); sl.replaceChildren(...cs.slice(1).map((t, i) => el('option', {value: i + 1, textContent: t}))); sl.value = st.k; };
  const tag = (cls, text) => el('span', {className: 'tag ' + cls, textContent: text});
  const margins = (a, b, most) => {
    const x = v => 75 + Math.max(-1, Math.min(1, v / most)) * 70, NS = 'http://www.w3.org/2000/svg', s = document.createElementNS(NS, 'svg'), add = (n, o) => { const e = document.createElementNS(NS, n); for (const k in o) e.setAttribute(k, o[k]); s.append(e); };
    s.setAttribute('viewBox', '0 0 150 16'); s.setAttribute('aria-hidden', 'true');
    add('line', {x1: 75, x2: 75, y1: 0, y2: 16, stroke: 'currentColor'}); add('line', {x1: x(a), x2: x(b), y1: 8, y2: 8, stroke: 'currentColor', 'stroke-width': 2});
    add('circle', {cx: x(a), cy: 8, r: 4, class: 'md'}); add('circle', {cx: x(b), cy: 8, r: 4.4, class: 'mc'}); return s;
  };
  const card = r => {
    const b = B[st.c], t = b.texts[r.i] || {}, kd = kind(r), k = st.k, li = el('li', {className: 'card ' + kd}), ol = el('ol');
    li.append(el('div', {className: 'k'}, el('b', {textContent: kd === 'broken' ? 'Broken' : 'Fixed'}), el('span', {textContent: `${b.label}, ${b.comps[k]}`}), el('span', {className: 'mono', textContent: r.i})));
    if (t.p) li.append(el('p', {className: 'ps', textContent: t.p}));
    if (t.q) li.append(el('p', {className: 'q', textContent: t.q}));
    if (t.b) li.append(el('p', {className: 'q', textContent: t.b}));
    const option = (j, text) => ol.append(el('li', {className: 'o'}, el('span', {textContent: text}), j === r.g ? tag('g', 'right answer') : null, j === r.a[0] ? tag('d', 'dense') : null, j === r.a[k] ? tag('p', 'compressed') : null));
    if (r.t) [['g', 'accepted', r.e || '–'], ['d', 'dense', r.t[0]], ['p', 'compressed', r.t[k]]].forEach(([c, w, x]) => ol.append(el('li', {className: 'o'}, tag(c, w), ' ' + x)));
    else if (t.o) t.o.forEach((x, j) => option(j, x));
    else if (r.g != null) [...new Set([r.g, r.a[0], r.a[k]])].sort((x, y) => x - y).forEach(j => option(j, 'answer ' + (j + 1)));
    li.append(ol);
    if (r.m[0] != null && r.m[k] != null) { const most = Math.max(1, ...b.rows.flatMap(q => q.m.map(m => Math.abs(m || 0)))); li.append(el('div', {className: 'marg'}, el('span', {textContent: `margin of the right answer: dense ${num(r.m[0] / 1000, 3, true)}, compressed ${num(r.m[k] / 1000, 3, true)}`}), margins(r.m[0], r.m[k], most))); }
    return li;
  };
  const redraw = () => {
    const b = B[st.c], w = st.q.toLowerCase();
    const list = b.rows.filter(r => { const kd = kind(r), t = b.texts[r.i] || {}; return kd && (!st.kind || kd === st.kind) && (!w || [r.i, t.q, t.b, ...(t.o || [])].join(' ').toLowerCase().includes(w)); });
    $('#bcount').textContent = `${list.length} of the ${b.rows.length} examples shown of ${b.label} (${b.total} flipped at some level, n = ${b.n.toLocaleString('en')}) are ${st.kind || 'broken or fixed'} at ${b.comps[st.k]}${w ? ' and match' : ''}.`;
    const cards = list.slice(0, st.n).map(card); $('#cards').replaceChildren(...(cards.length ? cards : [el('li', {className: 'muted', textContent: 'Nothing matches. Take a filter away.'})]));
    $('#more').hidden = list.length <= st.n;
  };
  sc.oninput = () => { st.c = +sc.value; st.n = 6; levels(); redraw(); };
  sl.oninput = () => { st.k = +sl.value; st.n = 6; redraw(); };
  sk.oninput = () => { st.kind = sk.value; st.n = 6; redraw(); };
  sq.oninput = () => { st.q = sq.value; st.n = 6; redraw(); };
  $('#more').onclick = () => { st.n += 10; redraw(); };
  levels(); redraw();
}
/* ---- figures: views, legends that switch marks, numbers on hover, touch and keys */
const calm = matchMedia('(prefers-reduced-motion: reduce)').matches, tip = $('#tip'); let on = null;
$$('svg.fig .pt').forEach(e => { const t = $('title', e); e._tip = t ? t.textContent : ''; t?.remove(); });
const figures = $$('.fx'), views = f => $$(':scope>.view', f);
const place = e => e.getAttribute('transform').match(/-?[\d.]+(?:e-?\d+)?/g).map(Number);
function glide(from, to) {
  if (calm) return;
  const svgs = v => $$('svg.fig', v), a = svgs(from), b = svgs(to);
  b.forEach((svg, i) => {
    if (!a[i] || !svg.getClientRects().length) return; const old = $$('.pt', a[i]), now = $$('.pt', svg); if (old.length !== now.length) return;
    now.forEach((e, j) => { const [x, y] = place(old[j]), [u, w] = place(e); if (x !== u || y !== w) e.animate([{transform: `translate(${x}px,${y}px)`}, {transform: `translate(${u}px,${w}px)`}], {duration: 450, easing: 'ease-in-out'}); });
  });
}
const kin = name => name === 'lost' ? 'retention' : name; // the share lost is 1 - retention
function setView(name) {
  hideTip();
  figures.forEach(f => {
    const vs = views(f), to = vs.find(v => kin(v.dataset.view) === kin(name)), from = vs.find(v => !v.hidden); if (!to || to === from) return;
    to.hidden = false; $('.ftitle', f).textContent = to.dataset.title; glide(from, to); from.hidden = true; $$('[data-to]', f).forEach(b => b.setAttribute('aria-pressed', kin(b.dataset.to) === kin(name)));
  });
}
figures.forEach(f => {
  const vs = views(f), box = $('[data-views]', f);
  if (vs.length > 1) {
    const s = el('div', {className: 'seg', role: 'group', 'aria-label': 'View of all figures'});
    vs.forEach((v, i) => { const b = el('button', {type: 'button', textContent: v.dataset.label, onclick: () => setView(v.dataset.view)}); b.dataset.to = v.dataset.view; b.setAttribute('aria-pressed', !i); s.append(b); });
    box.append(s);
  } else box.remove();
  $$('[data-off]', f).forEach(li => {
    const sel = li.dataset.off; if (!sel) return;
    const b = el('button', {type: 'button'}); b.append(...li.childNodes); b.setAttribute('aria-pressed', 'true'); li.append(b);
    b.onclick = () => {
      const off = b.getAttribute('aria-pressed') === 'true'; hideTip();
      $$('[data-off]', f).filter(o => o.dataset.off === sel).forEach(o => $('button', o)?.setAttribute('aria-pressed', !off));
      const out = $$('[data-off]', f).filter(o => $('button', o)?.getAttribute('aria-pressed') === 'false').map(o => o.dataset.off);
      $$('svg.fig :is(.pt,.run,.span,.ln,.lab)', f).forEach(e => e.classList.toggle('off', out.some(s => e.matches(s))));
    };
  });
});
function hideTip() { tip.hidden = true; on?.classList.remove('on'); on = null; }
function showTip(e, speak) {
  if (on === e && !speak) return; hideTip(); on = e; e.classList.add('on');
  const [head, ...rest] = e._tip.replace(/ %/g, '\u00a0%').replace(/n = /g, 'n\u00a0=\u00a0').split(/: (.*)/s).filter(Boolean); tip.replaceChildren(el('b', {textContent: head}));
  if (rest.length) tip.append(el('div', {textContent: rest.join(': ')})); tip.hidden = false;
  const b = $('.m', e).getBoundingClientRect(), t = tip.getBoundingClientRect(), w = document.documentElement.clientWidth;
  let x = b.right + 10, y = b.top - t.height / 2; if (x + t.width > w - 6) x = b.left - t.width - 10; if (x < 6) { x = Math.max(6, Math.min(w - t.width - 6, b.left - t.width / 2)); y = b.top - t.height - 10; }
  tip.style.left = x + scrollX + 'px'; tip.style.top = Math.max(4, y) + scrollY + 'px'; if (speak) say.textContent = e._tip;
}
$$('.plot').forEach(plot => {
  const marks = () => $$('svg.fig', plot).filter(s => s.getClientRects().length).flatMap(s => $$('.pt', s)).filter(e => e._tip && $('.m', e) && !e.classList.contains('off'));
  if (!$$('.pt', plot).some(e => e._tip)) return;
  const near = ev => { let best = null, d = 26 ** 2; marks().forEach(e => { const b = $('.m', e).getBoundingClientRect(), q = (b.x + b.width / 2 - ev.clientX) ** 2 + (b.y + b.height / 2 - ev.clientY) ** 2; if (q < d) { d = q; best = e; } }); return best; };
  plot.addEventListener('pointermove', ev => { if (ev.pointerType !== 'touch') { const e = near(ev); e ? showTip(e) : hideTip(); } });
  plot.addEventListener('pointerleave', ev => { if (ev.pointerType !== 'touch') hideTip(); });
  plot.addEventListener('click', ev => { const e = near(ev); e ? showTip(e) : hideTip(); });
  plot.tabIndex = 0; plot.setAttribute('role', 'group'); plot.setAttribute('aria-label', 'Figure; arrow keys read its points one by one');
  plot.addEventListener('keydown', ev => {
    const s = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[ev.key]; if (ev.key === 'Escape') return hideTip(); if (!s) return;
    ev.preventDefault(); const m = marks(); if (!m.length) return; const i = m.indexOf(on); showTip(m[(i < 0 ? (s > 0 ? 0 : m.length - 1) : i + s + m.length) % m.length], true);
  });
  plot.addEventListener('blur', hideTip);
});
addEventListener('scroll', () => { if (on && !document.activeElement?.classList.contains('plot')) hideTip(); }, {passive: true});
})();
