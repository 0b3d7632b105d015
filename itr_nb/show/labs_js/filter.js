// The filter: a weight for each node, multiplied by hand, and what becomes of the scores

function filterCompute(data, {times}) {
  const n = data.nodes.length;
  const found = data.pictures.map(({keep, read, gram}) => {
    const kept = keep.map((k, p) => k*times[p]), all = sum(kept);
    const weights = kept.map(k => k/(all+1e-8));
    const length = Math.sqrt(Math.max(0, sum(rows(gram, n).map((row, p) => weights[p]*dot(row, weights)))));
    return {weights, score:sigmoid(dot(weights, read)/(length+1e-8)+data.bias)};
  });
  const scores = found.map(f => f.score);
  return {weights:found.flatMap(f => f.weights), scores,
    rank:1+scores.slice(1).filter(s => s >= scores[0]).length};
}

function filterFields(data) {
  const n = data.nodes.length;
  return [{key:'times', size:n, lo:0, hi:3, step:.1, digits:1, start:range(n).map(() => 1)}];
}

function filterSay(data, {times}, found) {
  const off = data.nodes.filter((_, p) => times[p] === 0);
  const silent = off.length ? `Silent: ${off.join(', ')}. ` : '';
  const others = data.pictures.slice(1).map((p, i) => `${p.name} ${said(found.scores[i+1])}`);
  return `${silent}Score of the right picture ${said(found.scores[0])}, place ${found.rank} of `
    +`${found.scores.length}; ${others.join(', ')}.`;
}

function filterView(place, data, lab) {
  const [field] = lab.fields, n = data.nodes.length;
  const change = (p, x) => lab.set({times:lab.state.times.map((t, q) => p === q ? x : t)});
  const all = x => lab.set({times:range(n).map(() => x)});
  const lines = data.nodes.map((name, p) => {
    const label = `weight of “${name}”, times`;
    const on = el('input', {type:'checkbox', 'aria-label':`count “${name}”`,
      onchange:() => change(p, on.checked ? 1 : 0)});
    const slide = el('input', {type:'range', min:0, max:3, step:.1, 'aria-label':label,
      style:'width:96px', oninput:() => change(p, Number(slide.value))});
    const box = numberBox(field, label, x => change(p, x), lab.complain);
    const share = el('td', {style:'text-align:start;min-width:140px'});
    return {on, slide, box, share, row:el('tr', {}, el('td', {}, on), el('th', {scope:'row'}, name),
      el('td', {}, slide), el('td', {}, box.node), share)};
  });
  const figures = data.pictures.map((p, k) => {
    const caption = el('figcaption'), figure = el('figure', {class:k ? '' : 'l-on'},
      p.image ? el('img', {src:p.image, alt:p.name}) : null, caption);
    return {figure, caption};
  });
  const words = el('button', {type:'button', onclick:() => lab.set({times:data.empty})}, data.silence);
  place.append(el('div', {class:'l-scroll'}, el('table', {class:'l-table'}, el('tr', {}, el('th'),
    el('th'), el('th', {scope:'col', colspan:2}, 'weight, times'),
    el('th', {scope:'col'}, 'share')), lines.map(line => line.row))),
  el('div', {style:'flex:1 1 220px'}, el('div', {class:'l-row', style:'margin-bottom:12px'},
    el('button', {type:'button', onclick:() => all(1)}, 'all times 1'), words),
  el('div', {class:'l-pictures'}, figures.map(f => f.figure))));
  return ({times}, found) => {
    lines.forEach(({on, slide, box, share}, p) => {
      on.checked = times[p] > 0;
      slide.value = times[p];
      box.show(times[p]);
      share.replaceChildren(bar(found.weights[p], 90), ` ${percent(found.weights[p])}`);
    });
    figures.forEach(({caption}, k) => {
      caption.className = k === 0 && found.rank > 1 ? 'l-bad' : k === 0 ? 'l-good' : '';
      caption.textContent = `${data.pictures[k].image ? k ? '' : 'right: ' : `${data.pictures[k].name}: `}${said(found.scores[k])}`;
    });
  };
}

const filterRefuse = (data, {times}) =>
  times.every(t => t === 0) ? 'Nothing counts any more, so there is no score: switch a word on.' : '';

show('filter', {fields:filterFields, compute:filterCompute, say:filterSay, view:filterView,
  refuse:filterRefuse});
