// The band: points on a circle, a cost for each pair whose distance lies in it, and its gradient

const measures = {
  cosine:(x, y) => 1-dot(x, y),
  msd:(x, y) => (x[0]-y[0])**2+(x[1]-y[1])**2,
  l1:(x, y) => Math.abs(x[0]-y[0])+Math.abs(x[1]-y[1]),
  l2:(x, y) => Math.hypot(x[0]-y[0], x[1]-y[1])};

// How a distance grows when its first point moves
function slope(measure, x, y) {
  const [dx, dy] = [x[0]-y[0], x[1]-y[1]], far = Math.hypot(dx, dy);
  if (measure === 'cosine') return [-y[0], -y[1]];
  if (measure === 'msd') return [2*dx, 2*dy];
  if (measure === 'l1') return [Math.sign(dx), Math.sign(dy)];
  return far === 0 ? [0, 0] : [dx/far, dy/far];
}

// Half to even, as Python rounds
function evenly(x) {
  const low = Math.floor(x), rest = x-low;
  return rest > .5 || (rest === .5 && low%2) ? low+1 : low;
}

// Where each distance is compared with the band, the band, what a pair costs, and how the cost of
// each pair grows with it
function bandCosts(delta, {mode, measure, lo, hi}) {
  const b = delta.length, ranked = mode === 'released' && measure !== 'cosine';
  const lengths = delta.map(row => Math.max(norm(row), 1e-12));
  const where = ranked ? delta.map((row, i) => row.map(d => d/lengths[i])) : delta;
  const sorted = [...where[0]].sort((p, q) => p-q);
  const edges = ranked ? [sorted[evenly(lo*b)], sorted[Math.min(evenly(hi*b), b-1)]] : [lo, hi];
  const inside = where.map((row, i) => row.map((d, j) => i !== j && edges[0] < d && d < edges[1]));
  const cost = mode !== 'released' ? d => mode === 'paper' ? d : hi-d
    : measure === 'cosine' ? d => (1-d)/b : d => d/b;
  const grows = mode === 'paper' ? 1 : mode === 'repulsive' ? -1 : ranked ? 1/b : -1/b;
  const costs = where.map((row, i) => row.map((d, j) => inside[i][j] ? cost(d) : 0));
  const back = inside.map((row, i) => {
    const g = row.map(on => on ? grows : 0);
    if (!ranked) return g;
    const along = dot(g, where[i]);
    return g.map((v, j) => (v-where[i][j]*along)/lengths[i]);
  });
  return {edges, inside, costs, back};
}

function bandCompute(data, state) {
  const x = state.points.map(t => [Math.cos(t*Math.PI/180), Math.sin(t*Math.PI/180)]);
  const delta = x.map(p => x.map(q => p === q ? 0 : measures[state.measure](p, q)));
  const {edges, inside, costs, back} = bandCosts(delta, state);
  const turn = x.map(p => [-p[1], p[0]]);
  const grad = x.map(() => 0);
  x.forEach((p, i) => x.forEach((q, j) => {
    if (i === j) return;
    grad[i] += back[i][j]*dot(slope(state.measure, p, q), turn[i]);
    grad[j] += back[i][j]*dot(slope(state.measure, q, p), turn[j]);
  }));
  return {loss:sum(costs.flat()), grad, inside:inside.flat().map(Number), edges};
}

function bandFields(data) {
  return [
    {key:'mode', label:'mode', start:data.mode, options:[['paper', 'paper, Eq. (4)'],
      ['repulsive', 'repulsive, its words'], ['released', 'released code']]},
    {key:'measure', label:'distance', start:data.measure,
      options:[['cosine', 'cosine'], ['l1', 'L1'], ['l2', 'L2'], ['msd', 'MSD']]},
    {key:'lo', label:'lower edge μ_down', lo:0, hi:2, step:.01, start:data.lo},
    {key:'hi', label:'upper edge μ_up', lo:0, hi:2, step:.01, start:data.hi},
    {key:'points', size:data.points.length, lo:-360, hi:360, step:3, start:data.points}];
}

function bandRefuse(data, {mode, measure, lo, hi}) {
  if (!(lo < hi)) return 'A band has a lower edge below its upper one; the picture waits for that.';
  if (mode === 'released' && measure !== 'cosine' && hi > 1)
    return 'Here the released code reads the edges as fractions of the batch, so the upper one is at most 1.';
  return '';
}

function bandSay(data, {mode, measure}, found) {
  const b = data.points.length, moving = found.grad.filter(g => Math.abs(g) > 1e-9).length;
  const ranked = mode === 'released' && measure !== 'cosine';
  const edges = ranked ? ` Its edges are read off the first row: ${found.edges.map(e => said(e)).join(' and ')} `
    +'in units of a row’s length.' : '';
  return `${sum(found.inside)} of ${b*(b-1)} ordered pairs lie in the band; they cost ${said(found.loss, 3)}. `
    +`${moving} of ${b} points are pulled.${edges}`;
}

function bandStep(lab, data) {
  const {points} = lab.state, grad = bandCompute(data, lab.state).grad;
  const top = Math.max(...grad.map(Math.abs));
  if (top < 1e-9) return lab.complain('No point is pulled, so a step changes nothing.');
  const moved = points.map((t, i) => t-4*grad[i]/top);
  lab.set({points:moved.map(t => t-360*Math.round(t/360))});
}

function bandView(place, data, lab) {
  const b = data.points.length, far = 100, links = svg('g'), pulls = svg('g', {style:'color:var(--wrong)', 'pointer-events':'none'});
  const plot = svg('svg', {class:'l-plot', viewBox:'-140 -140 280 280', role:'group',
    'aria-label':'Points on a circle'});
  const turn = (i, t) => lab.set({points:lab.state.points.map((p, k) => k === i ? t : p)});
  const dots = range(b).map(i => handle(plot, svg('circle', {r:8, class:i ? 'l-dot' : 'l-mark', role:'slider',
    'aria-valuemin':-360, 'aria-valuemax':360}),
  (x, y) => turn(i, Math.round(Math.atan2(-y, x)*180/Math.PI)),
  (right, up) => turn(i, (lab.state.points[i]+3*(up-right))%360)));
  const names = range(b).map(i => svg('text', {'text-anchor':'middle', 'pointer-events':'none'}, String(i+1)));
  plot.append(svg('circle', {r:far, class:'l-line'}), links, ...dots, pulls, ...names);
  const step = el('button', {type:'button', onclick:() => bandStep(lab, data)}, 'One step downhill');
  place.append(el('div', {style:'flex:1 1 280px;max-width:340px'}, plot),
    el('div', {style:'flex:1 1 160px'}, step, el('p', {style:'font-size:13px'},
      'Drag a point, or give it the arrow keys. Lines join pairs in the band; arrows show where a '
      +'step downhill goes. Point 1 is the first row of the batch.')));
  return ({points}, found) => {
    const at = points.map(t => [Math.cos(t*Math.PI/180), -Math.sin(t*Math.PI/180)]);
    const top = Math.max(...found.grad.map(Math.abs), 1e-9);
    links.replaceChildren(...range(b*b).filter(k => found.inside[k]).map(k => {
      const [p, q] = [at[Math.floor(k/b)], at[k%b]];
      return svg('path', {d:`M${far*p[0]} ${far*p[1]}L${far*q[0]} ${far*q[1]}`, class:'l-strong',
        'stroke-width':1.5, 'stroke-opacity':.5});
    }));
    pulls.replaceChildren(...at.map(([x, y], i) => {
      const long = -34*found.grad[i]/top, [u, v] = [y, -x];
      return Math.abs(found.grad[i]) < 1e-9 ? svg('g')
        : arrow(far*x, far*y, far*x+long*u, far*y+long*v);
    }));
    dots.forEach((node, i) => {
      const [x, y] = at[i];
      put(node, {cx:far*x, cy:far*y, 'aria-valuenow':Math.round(points[i]),
        'aria-label':`point ${i+1}`, 'aria-valuetext':`${Math.round(points[i])} degrees`}, []);
      put(names[i], {x:124*x, y:124*y+4}, []);
    });
  };
}

show('band', {fields:bandFields, compute:bandCompute, refuse:bandRefuse, say:bandSay, view:bandView});
