// A scene whose drawings one moves, a sentence, and two trained models that score them in the page

const unpackedOf = new WeakMap();
const bytesOf = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));

// Two numbers from −2047 to 2047 in three bytes
function wholeNumbers(bytes) {
  const found = new Int16Array(bytes.length/3*2);
  for (let k = 0; k < bytes.length/3; k++) {
    const [a, b, c] = bytes.subarray(3*k, 3*k+3);
    found[2*k] = (a<<4|b>>4)-2047;
    found[2*k+1] = ((b&15)<<8|c)-2047;
  }
  return found;
}

// The matrices and vectors of a model: twelve bits a number and a scale a row; vectors as they are
function unpacked(packed) {
  if (unpackedOf.has(packed)) return unpackedOf.get(packed);
  const ints = wholeNumbers(bytesOf(packed.ints)), floats = new Float32Array(bytesOf(packed.floats).buffer);
  const found = {};
  let i = 0, f = 0;
  for (const [name, [rowCount, width]] of packed.shapes) {
    if (width === undefined) found[name] = Array.from(floats.subarray(f, f += rowCount));
    else found[name] = range(rowCount).map(() => {
      const scale = floats[f++];
      return Array.from(ints.subarray(i, i += width), q => q*scale);
    });
  }
  const model = {...packed, at:found, read:new Map()};
  unpackedOf.set(packed, model);
  return model;
}

const affine = (matrix, bias, x) => matrix.map((row, k) => dot(row, x)+bias[k]);
const unit = x => { const length = norm(x)+1e-8; return x.map(v => v/length); };
const mixed = (weights, xs) => xs[0].map((_, d) => sum(weights.map((w, k) => w*xs[k][d])));
const layer = ({at}, name, x) => affine(at[`${name}.weight`], at[`${name}.bias`], x);

// States of a gated recurrent unit, one a word
function gru({at}, end, words) {
  const [ih, hh] = ['ih', 'hh'].map(k => [at[`text_encoder.rnn.weight_${k}_l0${end}`],
    at[`text_encoder.rnn.bias_${k}_l0${end}`]]);
  const n = hh[0][0].length;
  let h = Array(n).fill(0);
  return words.map(x => {
    const a = affine(...ih, x), b = affine(...hh, h);
    h = h.map((old, k) => {
      const reset = sigmoid(a[k]+b[k]), keep = sigmoid(a[n+k]+b[n+k]);
      return (1-keep)*Math.tanh(a[2*n+k]+reset*b[2*n+k])+keep*old;
    });
    return h;
  });
}

// One vector of many, in which their plain mean asks
function pooled(model, side, xs) {
  const mean = mixed(xs.map(() => 1/xs.length), xs);
  const asked = layer(model, `${side}.fc_global`, mean).map(Math.tanh);
  const logits = xs.map(x => layer(model, `${side}.fc_score`,
    layer(model, `${side}.fc_local`, x).map((v, k) => Math.tanh(v)*asked[k]))[0]);
  return unit(mixed(softmax(logits), xs));
}

// Vectors of the words and of the whole sentence; remembered, as drawings move more often
function readText(model, ids) {
  const key = String(ids);
  if (!model.read.has(key)) {
    const words = ids.map(id => model.at['text_encoder.embed.weight'][id]);
    const there = gru(model, '', words), back = gru(model, '_reverse', [...words].reverse()).reverse();
    const local = there.map((h, j) => unit(h.map((v, k) => (v+back[j][k])/2)));
    if (model.read.size > 50) model.read.clear();
    model.read.set(key, {local, whole:pooled(model, 'text_pool', local)});
  }
  return model.read.get(key);
}

// How much each word looks at each region
function looks(regions, words, sharpness) {
  const scaled = regions.map(v => unit(words.map(w => dot(v, w)).map(c => c > 0 ? c : .1*c)));
  return words.map((_, j) => softmax(scaled.map(row => sharpness*row[j])));
}

function filtered(model, nodes) {
  const {at} = model, bn = k => at[`scorer.reason.bn.${k}`][0];
  const keep = nodes.map(s => (layer(model, 'scorer.reason.fc', s)[0]-bn('running_mean'))
    /Math.sqrt(bn('running_var')+1e-5)*bn('weight')+bn('bias')).map(sigmoid);
  const all = sum(keep)+1e-8, weights = keep.map(k => k/all);
  return {weights, vector:unit(mixed(weights, nodes))};
}

function reasoned(model, nodes) {
  const edges = range(model.steps).map(k => {
    const name = `scorer.reason.steps.${k}`;
    const asked = nodes.map(s => layer(model, `${name}.fc_query`, s));
    const answers = nodes.map(s => layer(model, `${name}.fc_key`, s));
    const taken = asked.map(q => softmax(answers.map(a => dot(q, a))));
    nodes = taken.map(e => layer(model, `${name}.fc_graph`, mixed(e, nodes)).map(v => Math.max(0, v)));
    return taken;
  });
  return {edges, vector:nodes[0]};
}

// The score of regions and a sentence, and all that lies behind it
function scored(model, rowsOf, ids) {
  const regions = rowsOf.map(r => unit(model.at.regions[r])), text = readText(model, ids);
  const look = looks(regions, text.local, model.smooth);
  const pairs = [[pooled(model, 'image_pool', regions), text.whole, 'global'],
    ...look.map((a, j) => [unit(mixed(a, regions)), text.local[j], 'local'])];
  const nodes = pairs.map(([x, y, kind]) =>
    unit(layer(model, `scorer.compare_${kind}.fc`, x.map((v, k) => (v-y[k])**2))));
  const made = model.steps ? reasoned(model, nodes) : filtered(model, nodes);
  return {look, ...made, score:sigmoid(layer(model, 'scorer.head', made.vector)[0])};
}

// Where the drawings lie, x1 y1 x2 y2 of each in 0…1; whole pixels wide, and inside the picture
function sceneBoxes(data, {draw, side, at}) {
  return draw.map((row, k) => {
    const {size} = data.drawings[Math.round(row)], longest = data.sizes[Math.round(side[k])][1];
    const [w, h] = size.map(n => Math.round(longest*data.px*n/Math.max(...size))/data.px);
    const x = clamp(at[2*k], w/2, 1-w/2), y = clamp(at[2*k+1], h/2, 1-h/2);
    return [x-w/2, y-h/2, x+w/2, y+h/2];
  });
}

function middleOf(data, state, k) {
  const [x1, y1, x2, y2] = sceneBoxes(data, state)[k];
  return [(x1+x2)/2, (y1+y2)/2];
}

const idsOf = ({words}) => [1, ...words.map(Math.round).filter(id => id > 3), 2];

function sceneCompute(data, state) {
  const {draw, side, ground} = state, boxes = sceneBoxes(data, state), ids = idsOf(state);
  const at = data.grounds.findIndex(([key]) => key === ground), {sizes, grounds} = data;
  const rowsOf = draw.map((d, k) => (Math.round(d)*grounds.length+at)*sizes.length+Math.round(side[k]));
  const [saf, sgr] = ['saf', 'sgr'].map(kind => scored(unpacked(data.models[kind]), rowsOf, ids));
  return {boxes:boxes.flat(), truth:truthOf(data, state, boxes), safScore:saf.score,
    safLook:saf.look.flat(), weights:saf.weights, sgrScore:sgr.score, sgrLook:sgr.look.flat(),
    edges:sgr.edges.flat(2)};
}

// Is the sentence true? 1 or 0; −1 for one that this parser of the grammar cannot read
const relations = {
  left:['to the left of', 'to its left', (a, b) => a[2] <= b[0]],
  right:['to the right of', 'to its right', (a, b) => b[2] <= a[0]],
  above:['above', 'above it', (a, b) => a[3] <= b[1]],
  below:['below', 'below it', (a, b) => b[3] <= a[1]],
  next:['next to', 'next to it', (a, b) =>
    Math.hypot(...[0, 1].map(k => Math.max(a[k]-b[k+2], b[k]-a[k+2], 0))) <= .06],
  bigger:['bigger than', 'bigger than it', null],
  smaller:['smaller than', 'smaller than it', null]};

function meaningOf(data, text) {
  const names = Object.entries(relations);
  const thing = `an? (?:(small|big) )?(?:(${data.colours.join('|')}) )?(${data.nouns.join('|')})`;
  const [, whole, ground] = text.match(/^(.*?)(?: on an? (\w+) background)?$/);
  const [said, saidIt] = [0, 1].map(k => `(${names.map(([, r]) => r[k]).join('|')})`);
  const read = form => whole.match(new RegExp(`^${form}$`))?.slice(1);
  const phrase = ([size, colour, noun]) => ({size, colour, noun});
  const nameOf = (words, k) => names.find(([, r]) => r[k] === words)[0];
  const found = (first, second, words, k) =>
    ({ground, phrases:[phrase(first), phrase(second)], relation:nameOf(words, k)});
  let m = read(`${thing} (?:is |that is )?${said} ${thing}`);
  if (m) return found(m.slice(0, 3), m.slice(4), m[3], 0);
  if ((m = read(`${said} ${thing} is ${thing}`))) return found(m.slice(4), m.slice(1, 4), m[0], 0);
  if ((m = read(`${thing} , and ${thing} ${saidIt}`))) return found(m.slice(3, 6), m.slice(0, 3), m[6], 1);
  if ((m = read(`(?:there is |a picture of )?${thing}(?: , ${thing})?(?: and ${thing})?`)))
    return {ground, phrases:rows(m, 3).filter(p => p[2]).map(phrase)};
  return null;
}

function truthOf(data, state, boxes) {
  const meaning = meaningOf(data, sentenceOf(data, state));
  if (!meaning) return -1;
  if (meaning.ground && meaning.ground !== state.ground) return 0;
  const shown = boxes.map((box, k) => ({box, share:data.sizes[Math.round(state.side[k])][1],
    size:data.sizes[Math.round(state.side[k])][0], ...data.drawings[Math.round(state.draw[k])], sprite:0}));
  const fits = ({size, colour, noun}, r) => [r.noun, r.category].includes(noun)
    && (!size || size === data.sizes.find(([, s]) => s === r.share)[0]) && (!colour || colour === r.colour);
  const related = (a, b) => ({bigger:a.share > b.share, smaller:a.share < b.share})[meaning.relation]
    ?? relations[meaning.relation][2](a.box, b.box);
  const bind = (k, taken) => {
    if (k === meaning.phrases.length) return !meaning.relation || related(shown[taken[0]], shown[taken[1]]);
    return range(shown.length).some(i => !taken.includes(i) && fits(meaning.phrases[k], shown[i])
      && bind(k+1, [...taken, i]));
  };
  return Number(bind(0, []));
}

const sentenceOf = (data, state) => idsOf(state).slice(1, -1).map(id => data.words[id]).join(' ');
const writtenOf = (data, state) => sentenceOf(data, state).replaceAll(' ,', ',');
const wordsOf = (data, state) => idsOf(state).map(id => data.words[id]);
const nounsOf = (data, {draw}) => draw.map(d => data.drawings[Math.round(d)].noun);

// Ids of a typed sentence, or what is wrong with it
function typedIds(data, text) {
  const words = text.toLowerCase().replace(/[,]/g, ' , ').replace(/[.!\s]+$/, '').split(/\s+/).filter(w => w);
  const stays = 'The sentence stays as it was.';
  if (!words.length) return {wrong:`An empty sentence says nothing. ${stays}`};
  if (words.length > data.longest)
    return {wrong:`These models never read more than ${data.longest} words. ${stays}`};
  const strange = words.filter(w => data.words.indexOf(w) < 4).map(w => `“${w.slice(0, 20)}”`);
  if (strange.length)
    return {wrong:`These models were not trained on ${strange.slice(0, 3).join(', ')}. ${stays}`};
  return {ids:range(data.longest).map(k => k < words.length ? data.words.indexOf(words[k]) : 0)};
}

function sceneFields(data) {
  const {start, drawings, words} = data, n = start.draw.length;
  return [
    {key:'draw', size:n, lo:0, hi:drawings.length-1, start:start.draw},
    {key:'side', size:n, lo:0, hi:data.sizes.length-1, start:start.side},
    {key:'at', size:2*n, lo:0, hi:1, start:start.at},
    {key:'words', size:data.longest, lo:0, hi:words.length-1, start:typedIds(data, start.sentence).ids},
    {key:'word', lo:0, hi:data.longest+1, start:start.word},
    {key:'ground', label:'background', start:start.ground, options:data.grounds.map(([key]) => [key, key])},
    {key:'model', label:'where words look, as seen by', start:'saf',
      options:[['saf', 'SAF'], ['sgr', 'SGR']]},
    {key:'step', label:'edges of step', start:0,
      options:range(data.models.sgr.steps).map(k => [k, String(k+1)])}];
}

function sceneSay(data, state, found) {
  const words = wordsOf(data, state), nouns = nounsOf(data, state), r = nouns.length;
  const j = Math.min(Math.round(state.word), words.length-1);
  const look = found[`${state.model}Look`].slice(j*r, j*r+r);
  const truth = {1:'true of this picture', 0:'false of this picture'}[found.truth]
    ?? 'more than this page can check';
  return `“${writtenOf(data, state)}” is ${truth}. Scores: SAF ${said(found.safScore, 3)}, SGR `
    +`${said(found.sgrScore, 3)}, their mean ${said((found.safScore+found.sgrScore)/2, 3)}. In `
    +`${state.model.toUpperCase()} “${words[j]}” gives ${nouns.map((noun, k) =>
      `${percent(look[k])} to the ${noun}`).join(', ')}; SAF's weight of it is ${percent(found.weights[j+1])}.`;
}

// Which drawings lie on each other
function overlaps(boxes) {
  const meet = (a, b) => [0, 1].every(k => a[k] < b[k+2] && b[k] < a[k+2]);
  return range(boxes.length).flatMap(i => range(i).filter(j => meet(boxes[i], boxes[j])).map(j => [j, i]));
}

function scenePicture(data, lab) {
  const px = data.px, floor = svg('rect', {width:px, height:px});
  const picture = svg('svg', {class:'l-plot', viewBox:`0 0 ${px} ${px}`, role:'group',
    'aria-label':'The picture; drawings move by mouse, finger and arrow keys'}, floor);
  const move = (k, x, y) => {
    const at = [...lab.state.at];
    at.splice(2*k, 2, x, y);
    const inside = middleOf(data, {...lab.state, at}, k);
    at.splice(2*k, 2, ...inside);
    lab.set({at});
    if (Math.hypot(inside[0]-x, inside[1]-y) > .001)
      lab.complain(`The ${nounsOf(data, lab.state)[k]} stays in the picture.`);
  };
  const drawn = range(data.start.draw.length).map(k => {
    const image = svg('image', {preserveAspectRatio:'none'}), ring = svg('rect', {fill:'transparent'});
    const node = svg('g', {role:'img'}, image, ring);
    let hold = [0, 0]; // Where a drawing is held, from its middle
    node.addEventListener('pointerdown', event => {
      const p = new DOMPoint(event.clientX, event.clientY).matrixTransform(picture.getScreenCTM().inverse());
      const [x, y] = middleOf(data, lab.state, k);
      hold = [p.x/px-x, p.y/px-y];
    });
    handle(picture, node, (x, y) => move(k, x/px-hold[0], y/px-hold[1]), (dx, dy) => {
      const [x, y] = middleOf(data, lab.state, k);
      move(k, x+.02*dx, y-.02*dy);
    });
    return {node, image, ring};
  });
  picture.append(...drawn.map(d => d.node));
  const update = (state, boxes, look) => {
    floor.setAttribute('fill', data.grounds.find(([key]) => key === state.ground)[1]);
    const top = Math.max(...look);
    drawn.forEach(({node, image, ring}, k) => {
      const {noun, sprite} = data.drawings[Math.round(state.draw[k])];
      const [x1, y1, x2, y2] = boxes[k].map(v => v*px);
      for (const part of [image, ring]) put(part, {x:x1, y:y1, width:x2-x1, height:y2-y1}, []);
      if (image.getAttribute('href') !== sprite) image.setAttribute('href', sprite);
      image.setAttribute('opacity', (.2+.8*look[k]/top).toFixed(3));
      node.setAttribute('aria-label', `${noun}, ${percent(look[k])} of the look`);
    });
  };
  return {picture, update};
}

// A menu: {node, show}
function menu(label, options, pick) {
  const node = el('select', {'aria-label':label, style:'font:inherit;font-size:13px;max-width:100%',
    onchange:() => pick(node.value)}, options.map(([value, text]) => el('option', {value}, text)));
  return {node, show:value => { node.value = value; }};
}

function sceneMenus(data, lab) {
  const changed = (key, k, value) =>
    lab.set({[key]:lab.state[key].map((x, i) => i === k ? Number(value) : x)});
  const named = data.drawings.map((d, i) => [i, `${d.colour} ${d.noun}`.trim()]);
  const order = [...named].sort(([a], [b]) => data.drawings[a].noun < data.drawings[b].noun ? -1 : 1);
  const lines = range(data.start.draw.length).map(k => [
    menu(`drawing ${k+1}`, order, value => changed('draw', k, value)),
    menu(`size of drawing ${k+1}`, data.sizes.map(([key], i) => [i, key]),
      value => changed('side', k, value))]);
  const swap = axis => {
    const middles = range(lines.length).map(k => middleOf(data, lab.state, k));
    lab.set({at:middles.flatMap(m => m.map((v, i) => i === axis ? 1-v : v))});
  };
  const line = ([a, b]) => el('div', {class:'l-row', style:'margin-top:4px'}, a.node, b.node);
  const node = el('div', {}, lines.map(line),
    el('div', {class:'l-row', style:'margin-top:8px'},
      ['left and right', 'top and bottom'].map((name, axis) =>
        el('button', {type:'button', onclick:() => swap(axis)}, `swap ${name}`))));
  const update = state => lines.forEach(([a, b], k) => {
    a.show(Math.round(state.draw[k]));
    b.show(Math.round(state.side[k]));
  });
  return {node, update};
}

function sceneSentence(data, lab) {
  const take = text => {
    const {ids, wrong} = typedIds(data, text);
    if (wrong) return lab.complain(wrong);
    lab.set({words:ids, word:Math.min(lab.state.word, ids.filter(id => id).length)});
  };
  const box = el('input', {type:'text', autocomplete:'off', spellcheck:'false', maxlength:200,
    'aria-label':'sentence', style:'width:100%;text-align:start', onchange:() => take(box.value)});
  const ready = menu('ready sentences', [['', 'choose a sentence …'], ...data.sentences.map(s => [s, s])],
    value => { if (value) take(value); });
  const node = el('div', {style:'margin-bottom:8px'},
    el('span', {class:'l-name'}, 'sentence, to be typed or chosen'), box, el('div', {style:'margin-top:4px'}, ready.node));
  const update = state => {
    const text = writtenOf(data, state);
    box.value = text;
    ready.show(data.sentences.includes(text) ? text : '');
  };
  return {node, update};
}

// Rows of words: where each looks, its weight in SAF, what SGR's whole takes from it
function sceneTable(data, lab) {
  const table = el('table', {class:'l-table'}), update = (state, found) => {
    const words = wordsOf(data, state), nouns = nounsOf(data, state), r = nouns.length, n = words.length+1;
    const look = found[`${state.model}Look`], taken = found.edges.slice(state.step*n*n, state.step*n*n+n);
    const line = 'text-align:start;white-space:nowrap';
    const cell = (share, name) => el('td', {class:'l-heat', title:name,
      style:`--h:${share.toFixed(3)};white-space:nowrap`}, percent(share));
    const row = (word, j) => el('tr', {class:j === Math.round(state.word) ? 'l-on' : ''},
      el('th', {scope:'row'}, j < 0 ? word : el('button', {type:'button', style:'padding:0 6px',
        'aria-pressed':j === Math.round(state.word), onclick:() => lab.set({word:j})}, word)),
      range(r).map(k => j < 0 ? el('td') : cell(look[j*r+k], `${word}: ${nouns[k]}`)),
      el('td', {style:line}, bar(2.5*found.weights[j+1], 26), ` ${percent(found.weights[j+1])}`),
      el('td', {style:line}, bar(2.5*taken[j+1], 26), ` ${percent(taken[j+1])}`));
    const on = document.activeElement?.closest?.('table') === table
      ? [...table.querySelectorAll('button')].indexOf(document.activeElement) : -1;
    table.replaceChildren(
      el('tr', {}, el('th'), nouns.map(name => el('th', {scope:'col'}, name)),
        el('th', {scope:'col'}, 'weight in SAF'), el('th', {scope:'col'}, 'taken by SGR’s whole')),
      row('whole', -1), ...words.map(row));
    if (on >= 0) table.querySelectorAll('button')[Math.min(on, words.length-1)].focus();
  };
  return {node:el('div', {class:'l-scroll'}, table), update};
}

// What each node takes from each in one step of SGR
function sceneEdges(data) {
  const cells = svg('svg', {class:'l-plot', role:'img', 'aria-label':
    'SGR: what each node, a row, takes from each node, a column'});
  const update = (state, found) => {
    const names = ['whole', ...wordsOf(data, state)], n = names.length, c = 16, left = 78, top = 62;
    const edges = rows(found.edges.slice(state.step*n*n, (Number(state.step)+1)*n*n), n);
    cells.setAttribute('viewBox', `0 0 ${left+c*n+2} ${top+c*n+2}`);
    cells.style.maxWidth = `${left+c*n+2}px`;
    cells.replaceChildren(...names.flatMap((name, p) => [
      svg('text', {x:left-5, y:top+c*p+12, 'text-anchor':'end', 'font-size':11}, name),
      svg('text', {transform:`translate(${left+c*p+12} ${top-5}) rotate(-60)`, 'font-size':11}, name),
      ...edges[p].map((e, q) => svg('rect', {x:left+c*q, y:top+c*p, width:c-1, height:c-1,
        fill:'var(--right)', style:`fill:rgba(var(--tint),${clamp(.04+1.6*e, 0, 1).toFixed(3)})`},
      svg('title', {}, `${name} takes ${percent(e)} from ${names[q]}`)))]));
  };
  return {node:el('div', {style:'margin-top:14px'}, el('span', {class:'l-name'},
    'SGR’s edges in the chosen step: a row takes from the columns'), cells), update};
}

function sceneScores(data) {
  const first = sceneCompute(data, startOf(sceneFields(data)));
  const table = el('table', {class:'l-table', style:'margin:4px 0 8px'}), update = found => {
    const both = x => [['SAF', x.safScore], ['SGR', x.sgrScore], ['mean', (x.safScore+x.sgrScore)/2]];
    table.replaceChildren(
      el('tr', {}, ['', 'score', '', 'at the start'].map(name => el('th', {scope:'col'}, name))),
      ...both(found).map(([name, score], k) => el('tr', {}, el('th', {scope:'row'}, name),
        el('td', {}, said(score, 3)), el('td', {style:'text-align:start'}, bar(score, 80)),
        el('td', {}, said(both(first)[k][1], 3)))));
  };
  return {node:table, update};
}

function sceneView(place, data, lab) {
  const {picture, update:paint} = scenePicture(data, lab), menus = sceneMenus(data, lab);
  const text = sceneSentence(data, lab), table = sceneTable(data, lab), edges = sceneEdges(data);
  const scores = sceneScores(data), truth = el('span', {'aria-hidden':'true'});
  place.append(
    el('div', {style:'flex:1 1 230px;max-width:300px'}, picture,
      el('div', {style:'margin-top:6px'}, truth), scores.node, menus.node),
    el('div', {style:'flex:2 1 380px'}, text.node, table.node, edges.node));
  return (state, found) => {
    const r = state.draw.length, boxes = rows(found.boxes, 4), n = wordsOf(data, state).length;
    const j = Math.min(Math.round(state.word), n-1), nouns = nounsOf(data, state);
    paint(state, boxes, found[`${state.model}Look`].slice(j*r, j*r+r));
    [menus, text].forEach(part => part.update(state));
    [table, edges].forEach(part => part.update(state, found));
    scores.update(found);
    truth.className = {1:'l-good', 0:'l-bad'}[found.truth] ?? 'l-name';
    truth.textContent = {1:'true of this picture', 0:'false of this picture'}[found.truth]
      ?? 'whether this is true, the page cannot tell';
    const [[a, b] = []] = overlaps(boxes);
    if (a !== undefined) lab.complain(`The ${nouns[b]} lies on the ${nouns[a]}. The scores are those of both `
      +'drawings seen whole: in the data no drawing hides another.');
  };
}

show('scene', {fields:sceneFields, compute:sceneCompute, say:sceneSay, view:sceneView});
