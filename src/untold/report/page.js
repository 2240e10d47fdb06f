"use strict";
(() => {
  const sounds = JSON.parse(document.getElementById("sound-data").textContent);
  const decoded = new Map();
  const page = document.body.dataset;
  let context = null, playing = null;

  const samples = async (name) => {
    if (!decoded.has(name)) {
      const text = atob(sounds[name] || "");
      decoded.set(name, context.decodeAudioData(Uint8Array.from(text, (c) => c.charCodeAt(0)).buffer));
    }
    return decoded.get(name);
  };

  const stop = () => {
    if (!playing) return;
    const old = playing;
    playing = null;
    for (const source of old.sources) { source.onended = null; try { source.stop(); } catch (_) { /* not begun */ } }
    cancelAnimationFrame(old.frame);
    old.mark.classList.remove("playing");
    if (old.after) old.after();
  };

  // Plays stretches [from, to) of a sound one after the other; `mark` shows it, `during(seconds)` follows the place.
  const play = async (name, stretches, mark, during, after) => {
    if (!name) return;  // a line of handwriting
    const again = playing && playing.mark === mark && playing.name === name && !during;
    stop();
    if (again) return;
    context = context || new AudioContext();
    const mine = { sources: [], mark, name, frame: 0, after };
    playing = mine;
    mark.classList.add("playing");
    let sound;
    try {
      await context.resume();
      sound = await samples(name);
    } catch (error) {
      stop();
      mark.title = "This browser cannot play Ogg Opus.";
      mark.classList.add("mute");
      return;
    }
    if (playing !== mine) return;
    let at = context.currentTime + 0.03;
    const begun = at;
    for (const [from, to] of stretches) {
      const source = context.createBufferSource(), gain = context.createGain(), length = Math.max(0.02, Math.min(to, sound.duration) - from);
      source.buffer = sound;
      source.connect(gain).connect(context.destination);
      gain.gain.setValueAtTime(0, at);
      gain.gain.linearRampToValueAtTime(1, at + 0.005);
      gain.gain.setValueAtTime(1, Math.max(at + 0.005, at + length - 0.008));
      gain.gain.linearRampToValueAtTime(0, at + length);
      source.start(at, from, length);
      mine.sources.push(source);
      at += length + 0.22;
    }
    document.documentElement.dataset.played = String(Number(document.documentElement.dataset.played || 0) + 1);
    mine.sources[mine.sources.length - 1].onended = () => { if (playing === mine) stop(); };
    const follow = () => {
      if (playing !== mine) return;
      if (during) during(stretches[0][0] + Math.max(0, context.currentTime - begun));
      mine.frame = requestAnimationFrame(follow);
    };
    follow();
  };

  // Unit cards
  const cards = [...document.querySelectorAll(".unit")], byToken = new Map(cards.map((card) => [card.dataset.token, card]));
  const alone = document.getElementById("alone"), get = (id) => document.getElementById(id);
  const stretch = (button) => (alone && alone.checked ? [button.dataset.unitFrom, button.dataset.unitTo] : [button.dataset.from, button.dataset.to]).map(Number);
  for (const card of cards) {
    const examples = [...card.querySelectorAll(".exemplar")];
    for (const button of examples) if (card.dataset.sound) button.addEventListener("click", () => play(card.dataset.sound, [stretch(button)], button));
    card.querySelector(".play")?.addEventListener("click", (event) => play(card.dataset.sound, examples.map(stretch), event.currentTarget));
  }

  const holder = get("cards"), order = get("order"), phone = get("phone");
  const arrange = () => {
    let seen = 0;
    for (const card of cards) {
      const kind = card.dataset.kind, hidden = (get("silence").checked && kind === page.quiet) || (get("noise")?.checked && kind === page.odd)
        || (phone && phone.value && !card.dataset.name.split(" ").includes(phone.value));
      card.hidden = hidden;
      seen += hidden ? 0 : 1;
    }
    const key = order.value, number = (card) => Number(card.dataset[key]);
    const silent = (card) => (card.dataset.kind === page.quiet ? 1 : 0);  // of little interest, so at the end of every order
    const sorted = [...cards].sort((a, b) => silent(a) - silent(b) || (key === "name" ? (a.dataset.name || "\uffff").localeCompare(b.dataset.name || "\uffff") || b.dataset.count - a.dataset.count
      : key === "token" || key === "hue" ? number(a) - number(b) : number(b) - number(a)));
    holder.append(...sorted);
    get("visible").textContent = seen === 1 ? "1 unit" : `${seen} units`;
    get("nothing").hidden = seen > 0;
  };
  const controls = get("controls");
  controls.addEventListener("change", (event) => { if (event.target !== alone) arrange(); });
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.reset();

  // A link to a unit that is hidden shows it again.
  const arrive = () => {
    const card = /^#unit-\d+$/.test(location.hash) ? byToken.get(location.hash.slice(6)) : null;
    if (card && card.hidden) { controls.reset(); arrange(); card.scrollIntoView(); }
    if (card) card.focus({ preventScroll: true });
  };
  addEventListener("hashchange", arrive);

  // Recordings with a cursor
  for (const take of document.querySelectorAll(".take")) {
    const length = Number(take.dataset.length), cursor = take.querySelector(".cursor"), button = take.querySelector(".play");
    const scroll = take.querySelector(".scroll"), stage = take.querySelector(".stage"), sheet = take.querySelector(".sheet"), told = take.querySelector(".told");
    const units = [...take.querySelectorAll(".tier.units button")], tints = [...take.querySelectorAll(".tint i")];
    const move = (at) => {
      cursor.hidden = false;
      const x = Math.min(1, at / length) * stage.offsetWidth;
      cursor.style.left = `${x}px`;
      if (x < scroll.scrollLeft || x > scroll.scrollLeft + scroll.clientWidth - 40) scroll.scrollLeft = x - 60;
    };
    const from = (start, end, mark) => play(take.dataset.sound, [[start, end]], mark, move, () => { cursor.hidden = true; });
    button?.addEventListener("click", () => { if (button.classList.contains("playing")) stop(); else from(0, length, button); });
    if (button) sheet.addEventListener("click", (event) => {
      const box = sheet.getBoundingClientRect();
      from(Math.max(0, (event.clientX - box.left) / box.width * length), length, button);
    });
    const same = (token) => { for (const one of [...units, ...tints]) one.classList.toggle("same", token !== null && one.dataset.token === token); };
    const tell = (unit) => {
      const card = byToken.get(unit.dataset.token);
      told.replaceChildren(`Unit ${unit.dataset.token}, ${Number(unit.dataset.from).toFixed(page.digits)} to ${Number(unit.dataset.to).toFixed(page.digits)} ${page.axis}. `);
      if (!card) return;
      const link = document.createElement("a");
      link.href = `#unit-${unit.dataset.token}`;
      link.textContent = card.dataset.name ? `Its card: near ${card.dataset.name}` : "Its card";
      told.append(link);
    };
    units.forEach((unit, number) => {
      unit.addEventListener("click", () => { from(Number(unit.dataset.from), Number(unit.dataset.to), unit); same(unit.dataset.token); tell(unit); });
      unit.addEventListener("mouseenter", () => same(unit.dataset.token));
      unit.addEventListener("mouseleave", () => same(null));
      unit.addEventListener("keydown", (event) => {
        const next = { ArrowRight: number + 1, ArrowLeft: number - 1, Home: 0, End: units.length - 1 }[event.key];
        if (next === undefined || !units[next]) return;
        event.preventDefault();
        unit.tabIndex = -1;
        units[next].tabIndex = 0;
        units[next].focus();
        same(units[next].dataset.token);
        tell(units[next]);
      });
    });
  }
  addEventListener("keydown", (event) => { if (event.key === "Escape") stop(); });
  arrange();
  arrive();
})();
