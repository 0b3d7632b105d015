// Common knowledge: units that a style reads, and the gate that mixes what was read with it

function gateCompute(data, {style, units, gate, form, scale}) {
  const table = rows(units, 2), by = scale === 'yes' ? Math.sqrt(2) : 1;
  const weights = softmax(table.map(u => dot(u, style)/by));
  const common = [0, 1].map(k => sum(table.map((u, i) => weights[i]*u[k])));
  const gated = style.map((s, k) => form === 'convex' ? gate*s+(1-gate)*common[k] : gate*(s+common[k]));
  return {weights, common, gated};
}

function gateFields(data) {
  return [
    {key:'gate', label:'gate g', lo:0, hi:1, step:.01, start:data.gate},
    {key:'form', label:'form', start:data.form,
      options:[['convex', 'g·s + (1 − g)·c'], ['sum', 'g·(s + c)']]},
    {key:'scale', label:'products divided by √d', start:'yes', options:[['yes', 'yes'], ['no', 'no']]},
    {key:'style', size:2, lo:-3, hi:3, step:.1, start:data.style},
    {key:'units', size:data.units.length, lo:-3, hi:3, step:.1, start:data.units}];
}

const pair = ([x, y]) => `(${said(x)}, ${said(y)})`;

function gateSay(data, {gate, style}, found) {
  return `The style ${pair(style)} reads ${found.weights.map((w, i) => `${percent(w)} of unit ${i+1}`).join(', ')}: `
    +`common knowledge ${pair(found.common)}. With g = ${said(gate)} the gated style is ${pair(found.gated)}, `
    +`of length ${said(norm(found.gated))}.`;
}

function gateView(place, data, lab) {
  const unit = 45, n = data.units.length/2;
  const plot = svg('svg', {class:'l-plot', viewBox:'-150 -150 300 300', role:'group',
    'aria-label':'A plane with a style, units and what comes of them'});
  const near = x => clamp(Math.round(20*x/unit)/20, -3, 3);
  const mover = (key, k, label, look) => handle(plot, svg('circle', {...look, role:'button', 'aria-label':label}),
    (x, y) => lab.set({[key]:lab.state[key].map((v, i) => i === 2*k ? near(x) : i === 2*k+1 ? near(-y) : v)}),
    (right, up) => lab.set({[key]:lab.state[key].map((v, i) =>
      i === 2*k ? clamp(v+.1*right, -3, 3) : i === 2*k+1 ? clamp(v+.1*up, -3, 3) : v)}));
  const back = svg('g'), style = mover('style', 0, 'style', {r:9, class:'l-dot'});
  const units = range(n).map(k => mover('units', k, `unit ${k+1}`, {r:8, class:'l-mark'}));
  const words = svg('g', {'pointer-events':'none'});
  plot.append(svg('path', {d:'M-150 0H150M0 -150V150', class:'l-line'}), back, ...units, style, words);
  const shares = el('table', {class:'l-table'});
  place.append(el('div', {style:'flex:1 1 300px;max-width:420px'}, plot), el('div', {style:'flex:1 1 190px'},
    shares, el('p', {style:'font-size:13px'}, 'Drag the style or a unit, or give it the arrow keys.')));
  return (state, found) => {
    const [s, c, g] = [state.style, found.common, found.gated].map(([x, y]) => [unit*x, -unit*y]);
    const table = rows(state.units, 2).map(([x, y]) => [unit*x, -unit*y]);
    put(style, {cx:s[0], cy:s[1]}, []);
    table.forEach(([x, y], k) => put(units[k], {cx:x, cy:y}, []));
    back.replaceChildren(...table.map(([x, y], k) => svg('path', {d:`M${s[0]} ${s[1]}L${x} ${y}`,
      class:'l-strong', 'stroke-width':(8*found.weights[k]).toFixed(2), 'stroke-opacity':.35})),
    svg('path', {d:`M${s[0]} ${s[1]}L${c[0]} ${c[1]}`, class:'l-soft', 'stroke-dasharray':'4 4'}),
    svg('rect', {x:c[0]-6, y:c[1]-6, width:12, height:12, class:'l-mark'}),
    svg('rect', {x:g[0]-6, y:g[1]-6, width:12, height:12, class:'l-warn', transform:`rotate(45 ${g[0]} ${g[1]})`}));
    const name = ([x, y], text, up) => svg('text', {x, y:y+up, 'text-anchor':'middle'}, text);
    words.replaceChildren(name(s, 'style', -14), name(c, 'common', 22), name(g, 'gated', -13),
      ...table.map((p, k) => name(p, `unit ${k+1}`, 22)));
    shares.replaceChildren(...found.weights.map((w, k) => el('tr', {}, el('th', {scope:'row'}, `unit ${k+1}`),
      el('td', {style:'text-align:start'}, bar(w, 90), ` ${percent(w)}`))));
  };
}

show('gate', {fields:gateFields, compute:gateCompute, say:gateSay, view:gateView});
