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

// Each name beside its mark, where it lies over the fewest other marks and names
function gateNames(marks) {
  const taken = marks.map(([, x, y]) => [x-9, y-9, x+9, y+9]);
  const meet = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
  return marks.map(([text, x, y]) => {
    const wide = 7*text.length;
    const tries = [[x-wide/2, y-14], [x-wide/2, y+22], [x+13, y+4], [x-13-wide, y+4], [x+10, y-12], [x-10-wide, y+20]];
    const boxes = tries.map(([l, base]) => [l, base-11, l+wide, base+3]);
    const meets = boxes.map(b => taken.filter(t => meet(t, b)).length);
    const k = meets.indexOf(Math.min(...meets));
    taken.push(boxes[k]);
    return svg('text', {x:tries[k][0], y:tries[k][1]}, text);
  });
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
    const marks = [['style', ...s], ['common', ...c], ['gated', ...g]];
    words.replaceChildren(...gateNames([...marks, ...table.map((p, k) => [`unit ${k+1}`, ...p])]));
    shares.replaceChildren(...found.weights.map((w, k) => el('tr', {}, el('th', {scope:'row'}, `unit ${k+1}`),
      el('td', {style:'text-align:start'}, bar(w, 90), ` ${percent(w)}`))));
  };
}

show('gate', {fields:gateFields, compute:gateCompute, say:gateSay, view:gateView});
