// Sections of the site in the order of a question: words of titles and headings weigh more than words of the text (BM25)
const searchAlike = new Map([["picture", "photo"], ["pictures", "photo"], ["pics", "photo"], ["photos", "photo"], ["images", "image"],
  ["losses", "loss"], ["mine", "own"], ["my", "own"], ["folders", "folder"]]);
const searchIdle = new Set("a an and are as at be by can do does for from how i in is it of on or that the to what when with".split(" "));
const searchWords = (text) => (text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) || []).filter((w) => !searchIdle.has(w)).map((w) => searchAlike.get(w) || w);
const searchCounts = (text) => searchWords(text).reduce((found, w) => found.set(w, (found.get(w) || 0) + 1), new Map());
const searchPrepared = new WeakMap();
const searchParts = (index) => {
  if (!searchPrepared.has(index)) searchPrepared.set(index, index.map((e) => {
    const parts = [[9, searchCounts(e.title)], [8, searchCounts(e.section)], [1, searchCounts(e.text)]];
    return {parts, length: [...parts[2][1].values()].reduce((a, b) => a + b, 0)};
  }));
  return searchPrepared.get(index);
};
const searchSite = (index, question) => {
  const sections = searchParts(index), mean = sections.reduce((s, e) => s + e.length, 1) / (sections.length || 1);
  const asked = [...new Set(searchWords(question))];
  const held = (counts, w) => [...counts].reduce((n, [k, v]) => n + (k === w ? v : w.length > 2 && k.startsWith(w) ? v / 2 : 0), 0);
  const scores = sections.map(() => 0), known = sections.map(() => 0);
  asked.forEach((w) => {
    const found = sections.map((e) => e.parts.reduce((s, [weight, counts]) => s + weight * Math.min(held(counts, w), weight > 1 ? 1 : 9), 0));
    const rare = Math.log(1 + sections.length / (1 + found.filter((f) => f > 0).length));
    found.forEach((f, i) => {
      if (!f) return;
      scores[i] += rare * f * 2.2 / (f + 1.2 * (.6 + .4 * sections[i].length / mean));
      known[i] += 1;
    });
  });
  return index.map((e, i) => [scores[i] * (known[i] / asked.length) ** 2, i]).filter(([s]) => s > 0)
    .sort((a, b) => b[0] - a[0] || a[1] - b[1]).map(([, i]) => index[i]);
};
