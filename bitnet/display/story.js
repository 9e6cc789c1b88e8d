"use strict";
// The story: where the page is scrolled to decides the step, and the slider scrolls the page.
(() => {
  const quiet = window.matchMedia("(prefers-reduced-motion: reduce)");
  const root = document.querySelector(".player");
  const stage = document.querySelector(".stage");
  const stations = [...document.querySelectorAll(".chapter")];
  const indices = stations.map(station => Number(station.dataset.index));

  // The line that a chapter crosses when its step is due: below the stage, or beside it.
  const line = () => {
    const {width, height} = stage.getBoundingClientRect();
    const beside = width < 0.9 * stage.parentElement.clientWidth;
    const covered = beside ? 0 : height;
    return covered + (window.innerHeight - covered) * (beside ? 0.5 : 0.35);
  };
  const places = () => stations.map(s => s.getBoundingClientRect().top + window.scrollY);

  const indexAt = y => {
    const tops = places();
    const k = tops.findLastIndex(top => top <= y);
    if (k < 0) return indices[0];
    if (k === tops.length - 1) return indices[k];
    const share = (y - tops[k]) / (tops[k + 1] - tops[k]);
    return Math.round(indices[k] + share * (indices[k + 1] - indices[k]));
  };
  const placeOf = index => {
    const tops = places();
    const k = Math.max(0, indices.findLastIndex(i => i <= index));
    if (k === tops.length - 1) return tops[k] + 1;
    const share = (index - indices[k]) / (indices[k + 1] - indices[k]);
    return tops[k] + 1 + share * (tops[k + 1] - tops[k]);
  };

  const {player} = root;
  // Where the stage does not stay in view, its own slider is all there is.
  const scrolls = () => getComputedStyle(stage).position === "sticky";
  const follow = () => {
    if (!scrolls()) return;
    const index = indexAt(window.scrollY + line());
    if (index !== player.at()) player.show(index);
  };
  player.seek = index => {
    if (!scrolls()) {
      player.show(index);
      return;
    }
    const gently = player.playing() && !quiet.matches;
    window.scrollTo({top: placeOf(index) - line(), behavior: gently ? "smooth" : "instant"});
    if (!gently) player.show(index);  // else the scrolling shows it
  };
  window.addEventListener("scroll", follow, {passive: true});
  window.addEventListener("resize", follow);
  ["wheel", "touchmove"].forEach(hand => window.addEventListener(hand, player.stop,
    {passive: true}));
  document.addEventListener("keydown", event => {
    const way = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!way || event.target.closest(".player, a, input") || event.altKey) return;
    player.stop();
    player.seek(Math.min(player.last, Math.max(0, player.at() + way)));
    event.preventDefault();
  });
  follow();
})();
