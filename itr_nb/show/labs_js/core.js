// What all labs share: settings, controls, the address, and small things to draw with.
// A lab is {fields, compute, refuse, say, view}; `compute` is a pure function of data and settings.

const SVG = 'http://www.w3.org/2000/svg';

function put(node, attributes, kids) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, '');
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...kids.flat().filter(k => k != null));
  return node;
}

const el = (tag, attributes, ...kids) => put(document.createElement(tag), attributes, kids);
const svg = (tag, attributes, ...kids) => put(document.createElementNS(SVG, tag), attributes, kids);

const sum = xs => xs.reduce((a, x) => a+x, 0);
const dot = (xs, ys) => xs.reduce((a, x, i) => a+x*ys[i], 0);
const norm = xs => Math.sqrt(dot(xs, xs));
const range = n => Array.from({length:n}, (_, i) => i);
const sigmoid = x => 1/(1+Math.exp(-x));
const clamp = (x, lo, hi) => Math.min(hi, Math.max(lo, x));
const rows = (flat, n) => range(flat.length/n).map(i => flat.slice(i*n, i*n+n));
const columns = m => m[0].map((_, j) => m.map(row => row[j]));

function softmax(xs) {
  const top = Math.max(...xs), powers = xs.map(x => Math.exp(x-top)), all = sum(powers);
  return powers.map(x => x/all);
}

const said = (x, digits=2) => {
  const text = x.toFixed(digits);
  return Number(text) === 0 ? text.replace('-', '') : text.replace('-', '−');
};
const percent = x => `${Math.round(100*x)} %`;

function allFinite(x) {
  if (typeof x === 'number') return Number.isFinite(x);
  if (Array.isArray(x)) return x.every(allFinite);
  return x === Object(x) ? Object.values(x).every(allFinite) : typeof x === 'string';
}

// A number as somebody types it; NaN for all else
function typed(text) {
  const plain = text.trim().replace('−', '-').replace(',', '.');
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain) ? Number(plain) : NaN;
}

// A setting that is allowed, or undefined
function allowed(field, value) {
  if (field.options) return field.options.find(([key]) => String(key) === String(value))?.[0];
  if (field.most) return typeof value === 'string' ? value.slice(0, field.most) : undefined;
  const one = x => Number.isFinite(x) ? clamp(x, field.lo, field.hi) : undefined;
  if (!field.size) return one(value);
  const list = Array.isArray(value) && value.length === field.size ? value.map(one) : [undefined];
  return list.includes(undefined) ? undefined : list;
}

const startOf = fields => Object.fromEntries(fields.map(f => [f.key, f.start]));
const same = (a, b) => String(a) === String(b);
const short = x => String(Math.round(x*1e4)/1e4);

// Settings that are not as at the start, as the text that stands in the address
function written(fields, state) {
  const changed = fields.filter(f => !same(state[f.key], f.start));
  const text = x => typeof x === 'number' ? short(x) : Array.isArray(x) ? x.map(short).join('_')
    : x.replaceAll('~', ' ');
  return changed.map(f => `${f.key}.${text(state[f.key])}`).join('~');
}

function readBack(fields, text) {
  const state = {}, unknown = [];
  for (const part of text ? text.split('~') : []) {
    const [key, ...rest] = part.split('.'), value = rest.join('.');
    const field = fields.find(f => f.key === key);
    const found = field && allowed(field, field.options || field.most ? value
      : field.size ? value.split('_').map(typed) : typed(value));
    if (found === undefined) unknown.push(key);
    else state[key] = found;
  }
  return {state, unknown};
}

function address(name, text) {
  const url = new URL(location.href);
  if (text === undefined) return url.searchParams.get(name);
  if (text) url.searchParams.set(name, text);
  else url.searchParams.delete(name);
  try { history.replaceState(history.state, '', url); } catch { /* a page without an address */ }
}

// Controls of one setting: {node, sync}
function choiceControl(field, set) {
  const buttons = field.options.map(([key, label]) =>
    el('button', {type:'button', onclick:() => set({[field.key]:key})}, label));
  const node = el('div', {class:'l-field', role:'group', 'aria-label':field.label},
    el('span', {class:'l-name', 'aria-hidden':'true'}, field.label),
    el('div', {class:'l-row'}, buttons));
  const sync = state => buttons.forEach((b, i) =>
    b.setAttribute('aria-pressed', same(field.options[i][0], state[field.key])));
  return {node, sync};
}

function numberControl(field, set, complain) {
  const slide = el('input', {type:'range', min:field.lo, max:field.hi, step:field.step,
    'aria-label':field.label, oninput:() => set({[field.key]:Number(slide.value)})});
  const box = numberBox(field, field.label, x => set({[field.key]:x}), complain);
  const node = el('div', {class:'l-field'},
    el('span', {class:'l-name', 'aria-hidden':'true'}, field.label),
    el('div', {class:'l-pair'}, slide, box.node));
  const sync = state => {
    slide.value = state[field.key];
    box.show(state[field.key]);
  };
  return {node, sync};
}

// A box to type words into; what is too long is cut, and a sentence says so
function wordsControl(field, set, complain) {
  const box = el('input', {type:'text', class:'l-words', autocomplete:'off', autocapitalize:'off',
    spellcheck:'false', enterkeyhint:'search', 'aria-label':field.label, oninput:() => {
      set({[field.key]:box.value});
      if (box.value.length > field.most) complain(`Only the first ${field.most} characters are `
        +`read, and these are ${box.value.length.toLocaleString('en')}.`);
    }});
  const node = el('div', {class:'l-field l-long'},
    el('span', {class:'l-name', 'aria-hidden':'true'}, field.label), box);
  const sync = state => {
    if (box.value.slice(0, field.most) !== state[field.key]) box.value = state[field.key];
  };
  return {node, sync};
}

// A box to type a number into; what is no number leads to a sentence, and the old number stays
function numberBox(field, name, set, complain) {
  let last = field.start;
  const digits = field.digits ?? 2;
  const show = x => {
    last = x;
    if (document.activeElement !== node || typed(node.value) !== x) node.value = said(x, digits);
  };
  const take = () => {
    const x = typed(node.value);
    if (!Number.isFinite(x)) {
      const text = node.value;
      node.value = said(last, digits);
      return complain(`“${text.slice(0, 20)}” is no number; ${name} stays at ${said(last, digits)}.`);
    }
    const near = clamp(x, field.lo, field.hi);
    node.value = said(near, digits);
    set(near);
    if (near !== x) complain(`${name} goes from ${said(field.lo, digits)} to `
      +`${said(field.hi, digits)}; it is now ${said(near, digits)}.`);
  };
  const keys = event => {
    const way = {ArrowUp:1, ArrowDown:-1}[event.key];
    if (!way) return;
    event.preventDefault();
    const near = clamp(last+way*field.step, field.lo, field.hi);
    node.value = said(near, digits);
    set(near);
  };
  const node = el('input', {type:'text', inputmode:'decimal', autocomplete:'off',
    'aria-label':name, onchange:take, onkeydown:keys});
  return {node, show};
}

// A point of a picture that mouse, finger and arrow keys move; `move` gets picture coordinates
function handle(picture, node, move, nudge) {
  const at = event => {
    const p = new DOMPoint(event.clientX, event.clientY).matrixTransform(
      picture.getScreenCTM().inverse());
    move(p.x, p.y);
  };
  node.classList.add('l-hand');
  node.setAttribute('tabindex', '0');
  node.addEventListener('pointerdown', event => {
    event.preventDefault();
    node.focus();
    node.setPointerCapture(event.pointerId);
  });
  node.addEventListener('pointermove', event => {
    if (node.hasPointerCapture(event.pointerId)) at(event);
  });
  node.addEventListener('keydown', event => {
    const way = {ArrowLeft:[-1, 0], ArrowRight:[1, 0], ArrowUp:[0, 1], ArrowDown:[0, -1]}[event.key];
    if (!way) return;
    event.preventDefault();
    nudge(...way);
  });
  return node;
}

function arrow(x1, y1, x2, y2, attributes={}) {
  const length = Math.hypot(x2-x1, y2-y1), group = svg('g', attributes);
  if (length < .5) return group;
  const [ux, uy] = [(x2-x1)/length, (y2-y1)/length], head = Math.min(6, length);
  const [bx, by] = [x2-head*ux, y2-head*uy], side = .5*head;
  group.append(svg('path', {d:`M${x1} ${y1}L${bx} ${by}`, 'stroke-width':2, stroke:'currentColor'}));
  group.append(svg('path', {fill:'currentColor',
    d:`M${x2} ${y2}L${bx-side*uy} ${by+side*ux}L${bx+side*uy} ${by-side*ux}Z`}));
  return group;
}

function bar(share, wide=90) {
  return el('span', {class:'l-bar', style:`width:${(wide*clamp(share, 0, 1)).toFixed(1)}px`});
}

function begin(box, kind, lab) {
  const data = JSON.parse(box.querySelector('.l-data').textContent), fields = lab.fields(data);
  const before = document.querySelectorAll(`.itr-lab[data-live][data-name="${box.dataset.name}"]`);
  const name = box.dataset.name+(before.length ? `-${before.length+1}` : '');
  box.setAttribute('data-live', '');
  const saved = readBack(fields, address(name));
  let state = {...startOf(fields), ...saved.state}, later;
  const wrong = el('p', {class:'l-wrong', role:'alert'});
  const text = el('p', {class:'l-say', 'aria-live':'polite'});
  const complain = sentence => { wrong.textContent = sentence; };
  const set = change => {
    const next = {...state, ...lab.follow?.(data, change, state), ...change};
    for (const f of fields) if (allowed(f, next[f.key]) === undefined)
      return complain(`That is no value for ${f.label ?? f.key}; it stays as it was.`);
    state = Object.fromEntries(fields.map(f => [f.key, allowed(f, next[f.key])]));
    complain('');
    draw();
    clearTimeout(later);
    later = setTimeout(() => address(name, written(fields, state)), 150);
  };
  const controls = fields.filter(f => f.label && !f.size && !f.hidden).map(f =>
    f.options ? choiceControl(f, set) : (f.most ? wordsControl : numberControl)(f, set, complain));
  const place = el('div', {class:'l-view'});
  const update = lab.view(place, data, {set, complain, fields, get state() { return state; }});
  const reset = el('button', {type:'button', onclick:() => set(startOf(fields))}, 'Reset');
  function draw() {
    controls.forEach(c => c.sync(state));
    const refused = lab.refuse?.(data, state);
    if (refused) return complain(refused);
    const found = lab.compute(data, state);
    if (!allFinite(found)) return complain('These numbers lead to no number; the last one stays.');
    update(state, found);
    text.textContent = lab.say(data, state, found);
  }
  box.querySelector('.l-still')?.remove();
  box.querySelector('.l-body').append(
    el('div', {class:'l-set'}, controls.map(c => c.node), reset), place, wrong, text);
  draw();
  if (saved.unknown.length) complain('The address held settings that this lab does not know: '
    +`${saved.unknown.join(', ').slice(0, 60)}. They were left out.`);
}

// Show every lab of this kind that is not shown yet, and let tests call its arithmetic
function show(kind, lab) {
  window.itrLabs = {...window.itrLabs, [kind]:lab.compute};
  document.querySelectorAll(`.itr-lab[data-lab="${kind}"]:not([data-live])`).forEach(box => {
    if (box.querySelector('.l-data')) begin(box, kind, lab);
  });
}
