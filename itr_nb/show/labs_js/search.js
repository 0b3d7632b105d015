// Search: a sentence as a bag of words, carried into the space of pictures, and the best drawings

const bytesOf = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const opened = new WeakMap();

// The tables of the data, decoded once
function tablesOf(data) {
  if (!opened.has(data)) {
    const words = data.words.split(' ');
    opened.set(data, {words, place:new Map(words.map((w, k) => [w, k])),
      table:new Int16Array(bytesOf(data.table).buffer), steps:new Float32Array(bytesOf(data.steps).buffer),
      rarity:new Float32Array(bytesOf(data.rarity).buffer), pictures:new Int16Array(bytesOf(data.pictures).buffer)});
  }
  return opened.get(data);
}

const wordsOf = text => text.normalize('NFKC').toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

// Each known word once, with its weight; the weights together have length 1
function weighed(data, asked) {
  const {place, rarity} = tablesOf(data), known = [...new Set(asked.filter(w => place.has(w)))];
  const raw = known.map(w => asked.filter(a => a === w).length*rarity[place.get(w)]);
  const length = norm(raw);
  return {known, weights:raw.map(x => x/Math.max(length, 1e-12))};
}

function carried(data, known, weights) {
  const {place, table, steps} = tablesOf(data), d = data.width;
  const vector = range(d).map(k => -steps[place.size]*table[place.size*d+k]);
  known.forEach((w, i) => {
    const at = place.get(w), times = weights[i]*steps[at];
    for (let k = 0; k < d; k++) vector[k] += times*table[at*d+k];
  });
  return vector;
}

function searchCompute(data, {query, gallery}) {
  const asked = wordsOf(query), {place, pictures} = tablesOf(data), d = data.width;
  const unknown = [...new Set(asked.filter(w => !place.has(w)))];
  const {known, weights} = weighed(data, asked);
  if (!known.length) return {rows:[], scores:[], known, weights, unknown};
  const vector = carried(data, known, weights), length = norm(vector);
  const score = row => {
    let product = 0, square = 0;
    for (let k = 0; k < d; k++) {
      const x = pictures[row*d+k];
      product += x*vector[k];
      square += x*x;
    }
    return product/Math.max(length*Math.sqrt(square), 1e-12);
  };
  const found = range(data.names.length).filter(r => gallery === 'all' || data.seen[r] === '0')
    .map(r => [r, score(r)]).sort((a, b) => b[1]-a[1]).slice(0, 12);
  return {rows:found.map(f => f[0]), scores:found.map(f => f[1]), known, weights, unknown};
}

function searchFields(data) {
  const unseen = data.seen.replaceAll('1', '').length, all = data.names.length;
  const options = [['all', `all ${all.toLocaleString('en')}`], ['new', `the ${unseen.toLocaleString('en')} never trained`]];
  return [{key:'query', label:'words', most:200, start:data.query},
    {key:'gallery', label:'drawings', options, start:'all'}];
}

const quoted = words => words.slice(0, 8).map(w => `“${w.slice(0, 30)}”`).join(', ')+(words.length > 8 ? ' …' : '');

// Up to four trained words that begin with what may still be typed
function completions(data, word) {
  const near = word.length > 1 ? tablesOf(data).words.filter(w => w.startsWith(word)).slice(0, 4) : [];
  return near.length ? ` Trained words that begin so: ${near.join(', ')}.` : '';
}

function searchSay(data, state, {rows, scores, known, unknown}) {
  const lost = unknown.length ? `Nobody trained ${unknown.length > 1 ? 'these words' : 'this word'}: ${quoted(unknown)}.`
    +completions(data, unknown.at(-1)) : '';
  if (!known.length && !unknown.length) return 'No word stands in the box, so nothing is looked for: type one.';
  if (!known.length) return `${lost} No trained word is left, so nothing can be found.`;
  const best = rows.slice(0, 3).map((r, i) => `${data.names[r]} ${said(scores[i])}`).join(', ');
  const skipped = lost ? ` ${lost} What is unknown counts for nothing.` : '';
  return rows.length ? `Best for ${quoted(known)}: ${best}.${skipped}` : 'There is no drawing to search in.';
}

function searchView(place, data, lab) {
  const tries = el('div', {class:'l-row', role:'group', 'aria-label':'words to try'}, data.tries.map(words =>
    el('button', {type:'button', onclick:() => lab.set({query:words})}, words)));
  const cards = range(Math.min(12, data.names.length)).map(() => {
    const picture = el('img', {width:72, height:72}), name = el('span'), score = el('span', {class:'l-good'});
    return {picture, name, score, figure:el('figure', {}, picture, el('figcaption', {}, score, ' ', name))};
  });
  const weights = el('div', {class:'l-row l-words-said'});
  const key = el('p', {class:'l-note'}, 'Above: how much each word counts; what fewer texts say counts more. '
    +'In a frame: what the drawing shows was in no training.');
  place.classList.add('l-wide');
  place.append(tries, weights, el('div', {class:'l-found'}, cards.map(c => c.figure)), key);
  return (state, {rows, scores, known, unknown, weights:shares}) => {
    cards.forEach(({picture, name, score, figure}, i) => {
      figure.hidden = i >= rows.length;
      if (figure.hidden) return;
      const row = rows[i];
      if (data.thumbs[row]) picture.src = `data:image/webp;base64,${data.thumbs[row]}`;
      picture.alt = data.names[row];
      figure.className = data.seen[row] === '1' ? '' : 'l-on';
      score.textContent = said(scores[i]);
      name.textContent = data.names[row]+(data.seen[row] === '1' ? '' : ' (never trained)');
    });
    weights.replaceChildren(...known.map((w, i) => el('span', {class:'l-chip'}, `${w} ${percent(shares[i]**2)} `, bar(shares[i]**2, 60))),
      ...unknown.slice(0, 8).map(w => el('span', {class:'l-chip l-bad'}, `${w.slice(0, 30)}: not trained`)));
    key.hidden = !rows.length;
  };
}

show('search', {fields:searchFields, compute:searchCompute, say:searchSay, view:searchView});
