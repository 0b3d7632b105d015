// The score matrix: a loss, where its gradient pulls each score, and the ranks of both directions

function positives(data, {preset, shared}) {
  const b = Math.sqrt(data.presets[preset].scores.length);
  const ids = shared === 'yes' ? data.presets[preset].ids : range(b);
  return ids.map(i => ids.map(j => i === j));
}

// Sum over the lines of a table of their hinges, or of the largest one, and its gradient
function hinges(S, positive, margin, hardest) {
  const grad = S.map(row => row.map(() => 0));
  let loss = 0;
  S.forEach((row, i) => {
    const hinge = s => Math.max(0, Math.round(1e12*(margin-row[i]+s))/1e12); // What rounding leaves of 0 is 0
    const costs = row.map((s, j) => positive[i][j] ? 0 : hinge(s));
    const top = Math.max(...costs), ties = costs.filter(c => c === top).length;
    costs.forEach((c, j) => {
      const share = !hardest ? 1 : c === top ? 1/ties : 0;
      loss += share*c;
      if (c > 0) {
        grad[i][j] += share;
        grad[i][i] -= share;
      }
    });
  });
  return {loss, grad};
}

function triplet(S, positive, margin, hardest) {
  const images = hinges(S, positive, margin, hardest);
  const texts = hinges(columns(S), columns(positive), margin, hardest), back = columns(texts.grad);
  const grad = images.grad.map((row, i) => row.map((g, j) => g+back[i][j]));
  return {loss:images.loss+texts.loss, grad};
}

function infoNCE(S, positive, tau) {
  const b = S.length, share = positive.map(row => row.map(p => p ? 1/row.filter(Boolean).length : 0));
  const scaled = S.map(row => row.map(s => s/tau));
  const images = scaled.map(softmax), texts = columns(columns(scaled).map(softmax));
  const logSum = xs => { const m = Math.max(...xs); return m+Math.log(sum(xs.map(x => Math.exp(x-m)))); };
  const inRow = scaled.map(logSum), inColumn = columns(scaled).map(logSum);
  let loss = 0;
  const grad = S.map((row, i) => row.map((_, j) => {
    loss -= share[i][j]*(2*scaled[i][j]-inRow[i]-inColumn[j])/(2*b);
    return (images[i][j]+texts[i][j]-2*share[i][j])/(2*b*tau);
  }));
  return {loss, grad};
}

// Wrong answers that score no less than the best right one, counted from 1
function lineRanks(S, positive) {
  return S.map((row, i) => {
    const best = Math.max(...row.filter((_, j) => positive[i][j]));
    return 1+row.filter((s, j) => !positive[i][j] && s >= best).length;
  });
}

function scoreCompute(data, state) {
  const b = Math.sqrt(state.scores.length), S = rows(state.scores, b);
  const positive = positives(data, state);
  const {loss, grad} = state.loss === 'infonce' ? infoNCE(S, positive, state.tau)
    : triplet(S, positive, state.margin, state.loss === 'hardest');
  return {loss, grad:grad.flat(), i2t:lineRanks(S, positive),
    t2i:lineRanks(columns(S), columns(positive))};
}

const losses = [['hardest', 'triplet, hardest'], ['sum', 'triplet, sum'], ['infonce', 'InfoNCE']];

function scoreFields(data) {
  const {scores} = data.presets[data.preset], options = Object.entries(data.presets);
  return [
    {key:'preset', label:'start from', start:data.preset, options:options.map(([k, p]) => [k, p.label])},
    {key:'loss', label:'loss', start:data.loss, options:losses},
    {key:'margin', label:'margin α', lo:0, hi:1, step:.01, start:data.margin},
    {key:'tau', label:'temperature τ', lo:.01, hi:1, step:.01, start:data.tau},
    {key:'shared', label:'equal pictures count as right', start:'no',
      options:[['no', 'no'], ['yes', 'yes']]},
    {key:'scores', size:scores.length, lo:-1, hi:1, step:.05, start:scores, name:'score'}];
}

function scoreSay(data, state, found) {
  const {images, captions} = data.presets[state.preset], b = images.length;
  const pulls = found.grad.map(Math.abs), most = pulls.indexOf(Math.max(...pulls));
  const [i, j] = [Math.floor(most/b), most%b];
  const way = found.grad[most] < 0 ? 'up' : 'down';
  const pulled = pulls[most] < 1e-9 ? 'No score is pulled.'
    : `The strongest pull is ${said(pulls[most])}, ${way}, on ${images[i]} with “${captions[j]}”.`;
  return `Loss ${said(found.loss, 3)}. ${pulled} Pictures find their captions at places `
    +`${found.i2t.join(', ')}; captions find their pictures at places ${found.t2i.join(', ')}.`;
}

// Dragging sideways over a cell moves its score
function dragCell(input, move) {
  let from = null;
  input.addEventListener('pointerdown', e => { from = {x:e.clientX, start:typed(input.value), far:false}; });
  input.addEventListener('pointermove', e => {
    if (!from || !e.buttons) return;
    const way = e.clientX-from.x;
    if (!from.far && Math.abs(way) < 5) return;
    if (!from.far) input.setPointerCapture(e.pointerId);
    from.far = true;
    e.preventDefault();
    getSelection()?.removeAllRanges();
    if (Number.isFinite(from.start)) move(clamp(Math.round(100*from.start+way/2)/100, -1, 1));
  });
  for (const name of ['pointerup', 'pointercancel']) input.addEventListener(name, () => { from = null; });
}

function scoreView(place, data, lab) {
  const field = lab.fields.find(f => f.key === 'scores'), b = Math.sqrt(field.size);
  const change = (k, x) => lab.set({scores:lab.state.scores.map((s, n) => n === k ? x : s)});
  const cells = range(b*b).map(k => {
    const box = numberBox(field, `row ${1+Math.floor(k/b)}, column ${1+k%b}`, x => change(k, x), lab.complain);
    const pull = el('div', {class:'l-pull'});
    const own = Math.floor(k/b) === k%b ? ' l-own' : '';
    dragCell(box.node, x => change(k, x));
    return {...box, pull, td:el('td', {class:`l-cell l-heat${own}`}, box.node, pull)};
  });
  const heads = range(b).map(() => el('th', {scope:'col'}));
  const sides = range(b).map(() => el('th', {scope:'row'}));
  const [ofRow, ofColumn] = [range(b).map(() => el('td')), range(b).map(() => el('td'))];
  place.append(el('div', {class:'l-scroll'}, el('table', {class:'l-table'},
    el('tr', {}, el('th'), heads, el('th', {scope:'col'}, 'place')),
    range(b).map(i => el('tr', {}, sides[i], cells.slice(i*b, i*b+b).map(c => c.td), ofRow[i])),
    el('tr', {}, el('th', {scope:'row'}, 'place'), ofColumn, el('td')))));
  const rank = (td, n) => {
    td.textContent = n;
    td.className = n === 1 ? 'l-good' : 'l-bad';
  };
  const moved = key => place.parentNode.querySelector(`[aria-label^="${key}"]`).closest('.l-field');
  return (state, found) => {
    moved('margin').hidden = state.loss === 'infonce';
    moved('temperature').hidden = state.loss !== 'infonce';
    const {images, captions} = data.presets[state.preset];
    const top = Math.max(...found.grad.map(Math.abs), 1e-9);
    heads.forEach((th, j) => { th.textContent = captions[j]; });
    sides.forEach((th, i) => { th.textContent = images[i]; });
    cells.forEach((cell, k) => {
      const g = found.grad[k], long = 11*Math.abs(g)/top, y = g < 0 ? 13-long : 13+long;
      cell.show(state.scores[k]);
      cell.td.style.setProperty('--h', clamp(state.scores[k], 0, 1).toFixed(3));
      const drawn = Math.abs(g) < 1e-9 ? [] : [
        svg('svg', {viewBox:'0 0 12 26', 'aria-hidden':'true'}, arrow(6, 26-y, 6, y)), said(-g)];
      cell.pull.replaceChildren(...drawn);
    });
    found.i2t.forEach((n, i) => rank(ofRow[i], n));
    found.t2i.forEach((n, j) => rank(ofColumn[j], n));
  };
}

show('score', {fields:scoreFields, compute:scoreCompute, say:scoreSay, view:scoreView,
  follow:(data, change) => change.preset && {scores:data.presets[change.preset].scores}});
