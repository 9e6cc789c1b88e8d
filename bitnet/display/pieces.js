"use strict";
// The piece `player`: runs side by side at one step, moved by a slider, keys, a click, or play.
// Its parts are on the page already; this fills in what they say at another step.
(() => {
  document.documentElement.classList.add("js");
  const PLAY_MILLISECONDS = 900;

  const fill = (parent, parts) => parent.replaceChildren(...parts.map(([text, repeated]) => {
    if (!repeated) return document.createTextNode(text);
    const mark = document.createElement("mark");
    mark.textContent = text;
    return mark;
  }));

  const newest = (run, step) => run.moments.findLast(m => m.step <= step) || run.moments[0];

  const showBar = (item, [token, share, words, text]) => {
    item.querySelector("code").textContent = token;
    item.querySelector("i").style.width = `${share}%`;
    item.querySelector(".share").textContent = words;
    const tick = item.querySelector("b");
    tick.style.left = `${text}%`;
    tick.hidden = !token;
    item.classList.toggle("empty", !token);
  };

  const showCard = (card, run, step) => {
    const moment = newest(run, step);
    const put = (place, text) => { card.querySelector(place).textContent = text; };
    card.style.setProperty("--arm", run.hue);
    put(".note", run.note);
    put(".state", moment.state);
    card.querySelector(".state").className = `state ${moment.state}`;
    put(".count b", moment.count);
    put(".count i", moment.of);
    put(".rest", moment.rest);
    card.querySelectorAll(".bars li").forEach((item, slot) =>
      showBar(item, moment.bars[slot] || ["", 0, "", 0]));
    card.querySelectorAll(".said").forEach((place, i) => fill(place, moment.said[i] || []));
    card.querySelectorAll(".facts dd").forEach((place, i) => {
      place.textContent = moment.facts[i];
    });
  };

  const player = root => {
    const data = JSON.parse(root.querySelector("script.data").textContent);
    const slider = root.querySelector("input[type=range]");
    const play = root.querySelector(".play");
    const cursor = root.querySelector(".cursor");
    const plot = root.querySelector(".timeline .plot");
    const cards = [...root.querySelectorAll(".card")];
    const chosen = cards.map((_, place) => place);
    const last = data.steps.length - 1;
    let at = Number(root.dataset.start);
    let timer = 0;

    const show = index => {
      at = Math.min(last, Math.max(0, index));
      const {step, when, across} = data.steps[at];
      slider.value = at;
      slider.setAttribute("aria-valuetext", when);
      root.querySelector("output").textContent = when;
      cursor.hidden = false;
      cursor.style.left = `${across}%`;
      cards.forEach((card, place) => showCard(card, data.runs[chosen[place]], step));
    };

    const stop = () => {
      clearInterval(timer);
      timer = 0;
      play.setAttribute("aria-pressed", "false");
      play.firstElementChild.textContent = "▶";
      play.querySelector(".word").textContent = "play";
    };
    const start = () => {
      if (at === last) api.seek(0);
      play.setAttribute("aria-pressed", "true");
      play.firstElementChild.textContent = "❚❚";
      play.querySelector(".word").textContent = "pause";
      timer = setInterval(() => {
        if (at >= last) stop();
        else api.seek(at + 1);
      }, PLAY_MILLISECONDS);
    };
    // `seek` is how the step is changed; a page that is scrolled through puts its own there.
    const api = {show, stop, seek: show, last, at: () => at, playing: () => timer !== 0};

    slider.addEventListener("input", () => { stop(); api.seek(Number(slider.value)); });
    play.addEventListener("click", () => (timer ? stop() : start()));
    root.addEventListener("keydown", event => {
      if (event.target.closest("select, button")) return;
      const to = {ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1,
        Home: 0, End: last}[event.key];
      if (event.key === " ") timer ? stop() : start();
      else if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      else { stop(); api.seek(Math.min(last, Math.max(0, to))); }
      event.preventDefault();
    });
    plot.addEventListener("click", event => {
      const box = plot.getBoundingClientRect();
      const x = 100 * (event.clientX - box.left) / box.width;
      const far = data.steps.map(step => Math.abs(step.across - x));
      stop();
      api.seek(far.indexOf(Math.min(...far)));
    });
    root.querySelectorAll("select").forEach((select, place) => {
      select.addEventListener("change", () => {
        chosen[place] = Number(select.value);
        root.querySelectorAll(".line").forEach(line => {
          line.toggleAttribute("hidden", !chosen.includes(Number(line.dataset.run)));
        });
        show(at);
      });
    });
    root.player = api;
    show(at);
  };

  document.querySelectorAll(".player").forEach(player);
})();
