// Reasoning: every node takes from all, step after step, and the nodes become one

const affine = (matrix, bias, x) => matrix.map((row, k) => dot(row, x)+bias[k]);

function graphStep(step, nodes, sharpness) {
  const asked = nodes.map(x => affine(step.query, step.query_bias, x));
  const answers = nodes.map(x => affine(step.key, step.key_bias, x));
  const edges = asked.map(q => softmax(answers.map(k => sharpness*dot(q, k))));
  const taken = edges.map(e => nodes[0].map((_, d) => sum(e.map((w, q) => w*nodes[q][d]))));
  const next = taken.map(x => affine(step.graph, step.graph_bias, x).map(v => Math.max(0, v)));
  return {edges, nodes:next};
}

// Mean distance of two nodes, in units of their mean length
function apart(nodes) {
  const n = nodes.length, size = sum(nodes.map(norm))/n;
  const far = nodes.flatMap(x => nodes.map(y => norm(x.map((v, d) => v-y[d]))));
  return sum(far)/(n*(n-1))/(size+1e-12);
}

function graphRun(data, picture, {depth, sharpness}) {
  let nodes = picture.nodes;
  const edges = [], all = [nodes];
  for (const k of range(depth)) {
    const made = graphStep(data.steps[Math.min(k, data.steps.length-1)], nodes, sharpness);
    nodes = made.nodes;
    edges.push(made.edges);
    all.push(nodes);
  }
  return {edges, all, apart:all.map(apart), score:sigmoid(dot(nodes[0], data.head)+data.bias)};
}

function graphCompute(data, state) {
  const found = data.pictures.map(p => graphRun(data, p, state)), one = found[state.picture];
  return {edges:one.edges.flat(2), nodes:one.all.at(-1).flat(), apart:one.apart,
    scores:found.map(f => f.score)};
}

function graphFields(data) {
  return [
    {key:'depth', label:'steps', start:data.depth, options:range(7).map(k => [k, String(k)])},
    {key:'sharpness', label:'edges, sharpness times', lo:0, hi:3, step:.05, start:1},
    {key:'picture', label:'picture', start:0, options:data.pictures.map((p, k) => [k, p.name])}];
}

function graphSay(data, {depth, picture}, found) {
  const given = data.steps.length, far = found.apart.map(x => said(x, 3)).join(', ');
  const note = depth > given ? ` The steps beyond ${given} repeat the last one.` : '';
  const place = 1+found.scores.filter((s, k) => k && s >= found.scores[0]).length;
  return `Distance of the nodes before and after each step, in units of their length: ${far}. Score of `
    +`${data.pictures[picture].name}: ${said(found.scores[picture], 3)}; the right one is at place `
    +`${place} of ${found.scores.length}.${note}`;
}

function graphView(place, data) {
  const n = data.words.length, high = 40+24*n, wide = 620;
  const plot = svg('svg', {class:'l-plot', role:'img', 'aria-label':'Nodes of each step, and what each takes'});
  const cloud = svg('svg', {class:'l-plot', viewBox:'-130 -130 260 260', role:'img',
    'aria-label':'The nodes after the last step, as points of a plane'});
  place.append(el('div', {style:'flex:2 1 340px'}, plot), el('div', {style:'flex:1 1 200px;max-width:260px'},
    el('span', {class:'l-name'}, 'the nodes after the last step, seen in a plane'), cloud));
  plot.setAttribute('viewBox', `0 0 ${wide} ${high}`);
  return ({depth, picture}, found) => {
    const left = 92, x = k => left+k*(wide-left-12)/Math.max(depth, 1), y = p => 44+24*p;
    const edges = range(depth).flatMap(k => range(n).flatMap(p => range(n).map(q => {
      const weight = found.edges[(k*n+p)*n+q];
      return weight < .03 ? null : svg('path', {d:`M${x(k)} ${y(q)}L${x(k+1)} ${y(p)}`,
        class:k === depth-1 && p === 0 ? 'l-strong' : 'l-soft', 'stroke-width':(6*weight).toFixed(2),
        'stroke-opacity':k === depth-1 && p === 0 ? 1 : .45});
    })));
    const dots = range(depth+1).flatMap(k => range(n).map(p =>
      svg('circle', {cx:x(k), cy:y(p), r:3.5, class:p ? 'l-dot' : 'l-mark'})));
    const heads = found.apart.map((d, k) => svg('text', {x:x(k), y:16, class:'l-dim',
      'text-anchor':k === 0 ? 'start' : k === depth ? 'end' : 'middle'}, said(d)));
    const names = data.words.map((word, p) => svg('text', {x:left-9, y:y(p)+4, 'text-anchor':'end'}, word));
    plot.replaceChildren(svg('text', {x:0, y:16, class:'l-dim'}, 'apart'), ...heads,
      ...edges.filter(e => e), ...dots, ...names);
    cloud.replaceChildren(...graphCloud(data, rows(found.nodes, found.nodes.length/n), depth));
  };
}

// The nodes in the plane that shows most of them, in units of their mean length
function graphCloud(data, nodes, depth) {
  const plane = data.planes[Math.min(depth, data.planes.length-1)];
  const size = sum(nodes.map(norm))/nodes.length+1e-12;
  const points = nodes.map(x => plane.map(axis => 100*dot(axis, x)/size));
  const centre = [0, 1].map(k => sum(points.map(p => p[k]))/points.length);
  const at = points.map(p => [p[0]-centre[0], p[1]-centre[1]]);
  const dots = at.map(([x, y], k) => svg('circle', {cx:x, cy:y, r:k ? 4 : 6, class:k ? 'l-dot' : 'l-mark'}));
  return [...dots, ...graphNames(at, data.words)];
}

// A name for each node, and one for nodes that lie so close that their names would lie over each other
function graphNames(at, words) {
  const groups = [];
  at.forEach(([x, y], k) => {
    const near = groups.find(g => Math.abs(g[0].x-x) < 45 && Math.abs(g[0].y-y) < 15);
    (near ?? groups[groups.push([])-1]).push({x, y, word:words[k]});
  });
  return groups.map(g => {
    const xs = g.map(p => p.x), n = g.length, left = xs[0] > 40;
    const text = n === words.length ? `all ${n} nodes` : n > 3 ? `${n} nodes` : g.map(p => p.word).join(', ');
    return svg('text', {x:left ? Math.min(...xs)-9 : Math.max(...xs)+9, y:sum(g.map(p => p.y))/n+4,
      'text-anchor':left ? 'end' : 'start'}, text);
  });
}

show('graph', {fields:graphFields, compute:graphCompute, say:graphSay, view:graphView});
