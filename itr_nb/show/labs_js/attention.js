// Where each word looks: cosines and a sharpness in, weights and what each word sees out

function attentionCompute(data, {smooth, clip}) {
  const w = data.words.length, slope = clip === 'leaky' ? .1 : 0;
  const kept = rows(data.cosines, w).map(row => row.map(c => c > 0 ? c : slope*c));
  const scaled = kept.map(row => row.map(c => c/(norm(row)+1e-8)));
  const alpha = columns(scaled).map(column => softmax(column.map(c => smooth*c)));
  const gram = rows(data.gram, kept.length), cosines = columns(rows(data.cosines, w));
  const seen = alpha.map((a, j) => {
    const length = Math.sqrt(Math.max(0, sum(gram.map((row, i) => a[i]*dot(row, a)))));
    return dot(a, cosines[j])/(length+1e-8);
  });
  return {alpha:alpha.flat(), seen, score:sum(seen)/w};
}

function attentionFields(data) {
  return [
    {key:'smooth', label:'sharpness λ', lo:0, hi:30, step:.1, digits:1, start:data.smooth},
    {key:'clip', label:'negative cosines', start:'leaky',
      options:[['leaky', 'a tenth'], ['relu', 'nothing']]},
    {key:'word', label:'word', start:data.word, options:data.words.map((word, j) => [j, word])}];
}

function attentionSay(data, {word, smooth}, found) {
  const r = data.regions.length, a = found.alpha.slice(word*r, word*r+r);
  const order = range(r).sort((p, q) => a[q]-a[p]);
  return `At λ = ${said(smooth, 1)} “${data.words[word]}” gives `
    +`${order.map(i => `${percent(a[i])} to ${data.regions[i]}`).join(', ')}; its cosine with what it `
    +`sees is ${said(found.seen[word])}. Mean over the words: ${said(found.score, 3)}.`;
}

function attentionPicture(data) {
  const [wide, high] = data.size;
  const veils = [], names = [];
  const drawn = data.boxes.map(([x1, y1, x2, y2], i) => {
    const at = {x:x1*wide, y:y1*high, width:(x2-x1)*wide, height:(y2-y1)*high};
    veils.push(svg('rect', {...at, class:'l-veil'}));
    names.push(svg('text', {x:at.x+3, y:at.y+at.height-5, 'font-size':wide/22, 'font-weight':600,
      stroke:'var(--paper)', 'stroke-width':3, 'paint-order':'stroke'}));
    names[i].style.stroke = 'var(--paper)';
    return [veils[i], svg('rect', {...at, class:'l-line'}), names[i]];
  });
  const picture = svg('svg', {class:'l-plot', viewBox:`0 0 ${wide} ${high}`, role:'img',
    'aria-label':'The picture; what the word looks at keeps its light',
    style:'max-width:320px'},
  svg('image', {href:data.image, width:wide, height:high}), drawn.flat());
  return {picture, veils, names};
}

function attentionView(place, data, lab) {
  const r = data.regions.length, {picture, veils, names} = attentionPicture(data);
  const lines = data.words.map((word, j) => {
    const cells = range(r).map(() => el('td', {class:'l-heat'})), seen = el('td');
    return {cells, seen, row:el('tr', {onclick:() => lab.set({word:j})},
      el('th', {scope:'row'}, word), cells, seen)};
  });
  place.append(el('div', {style:'flex:1 1 240px;max-width:320px'}, picture),
    el('div', {class:'l-scroll'}, el('table', {class:'l-table'},
      el('tr', {}, el('th'), data.regions.map(name => el('th', {scope:'col'}, name)),
        el('th', {scope:'col'}, 'cosine')), lines.map(line => line.row))));
  return ({word}, found) => {
    const own = found.alpha.slice(word*r, word*r+r), top = Math.max(...own);
    own.forEach((a, i) => {
      veils[i].setAttribute('fill-opacity', (.85*(1-a/top)).toFixed(3));
      names[i].textContent = percent(a);
    });
    lines.forEach(({cells, seen, row}, j) => {
      row.className = j === word ? 'l-on' : '';
      cells.forEach((td, i) => {
        td.textContent = percent(found.alpha[j*r+i]);
        td.style.setProperty('--h', found.alpha[j*r+i].toFixed(3));
      });
      seen.textContent = said(found.seen[j]);
    });
  };
}

show('attention', {fields:attentionFields, compute:attentionCompute, say:attentionSay,
  view:attentionView});
