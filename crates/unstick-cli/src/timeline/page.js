"use strict";
// The timeline of recorded conversations: two lanes each way, a table, and the bytes of the selected message.
// Everything from the peers becomes text nodes or canvas text: nothing of it is ever parsed as HTML.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const [CONN, WAY, TIME, OFFSET, TOTAL, HEAD, PAYLOAD, AT, KEPT] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  const SEGMENT_LENGTH = 4;
  const ROW = 24;
  const WAYS = ["c2s", "s2c"];
  const bytes = decode64(data.bytes);
  const { messages, segments, marks } = data;

  function decode64(text) {
    const binary = atob(text);
    const out = new Uint8Array(binary.length);
    for (let at = 0; at < binary.length; at++) out[at] = binary.charCodeAt(at);
    return out;
  }

  // ---- words ----

  const number = (value) => value.toLocaleString("en");
  const count = (value, what) => `${number(value)} ${what}${value === 1 ? "" : "s"}`;

  // Controls, and characters that move or hide others, are shown as what they are.
  const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]/gu;
  const NAMED = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
  const visible = (text) =>
    text.replace(UNSAFE, (c) => {
      const code = c.codePointAt(0);
      return NAMED[c] || (code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`);
    });
  const asText = (from, to) => visible(new TextDecoder().decode(bytes.subarray(from, to)));
  const content = (message, most) => {
    const from = message[AT] + (message[PAYLOAD] > 0 ? message[HEAD] : 0);
    const to = Math.min(message[AT] + message[KEPT], from + Math.min(message[PAYLOAD] || message[TOTAL], most));
    return asText(Math.min(from, to), to);
  };
  const clock = (micros) => {
    if (micros === null) return "";
    const all = Math.round(micros / 100) / 10;
    return all < 1000 ? `${all.toFixed(1)} ms` : `${(all / 1000).toFixed(3)} s`;
  };
  const make = (name, text, className) => {
    const node = document.createElement(name);
    if (text !== undefined) node.textContent = text;
    if (className) node.className = className;
    return node;
  };

  // ---- what is shown ----

  const state = { shown: [], selected: -1, hovered: -1, axis: "bytes", view: [0, 1], drag: null };
  const cache = new Map();
  const searched = (index) => {
    let text = cache.get(index);
    if (text === undefined) cache.set(index, (text = content(messages[index], 4096).toLowerCase()));
    return text;
  };

  function filter() {
    const connection = $("connection").value;
    const direction = $("direction").value;
    const text = visible($("text").value).toLowerCase();
    const before = state.shown[state.selected];
    state.shown = [];
    for (let index = 0; index < messages.length; index++) {
      const message = messages[index];
      if (connection !== "" && message[CONN] !== +connection) continue;
      if (direction !== "" && message[WAY] !== +direction) continue;
      if (text !== "" && !searched(index).includes(text)) continue;
      state.shown.push(index);
    }
    $("count").textContent = `${number(state.shown.length)} of ${count(messages.length, "message")}`;
    state.selected = Math.max(0, state.shown.indexOf(before));
    if (state.shown.length === 0) state.selected = -1;
    reset();
    draw();
  }

  // Bytes of one connection alone mean something: an offset of two connections is no common place.
  const connectionShown = () => {
    const chosen = $("connection").value;
    if (chosen !== "") return +chosen;
    const message = messages[state.shown[state.selected]];
    return message ? message[CONN] : data.connections.length ? data.connections[0].id : 0;
  };

  function inPicture() {
    const direction = $("direction").value;
    const only = state.axis === "bytes" ? connectionShown() : $("connection").value === "" ? null : connectionShown();
    const takes = (row) => (only === null || row[CONN] === only) && (direction === "" || row[WAY] === +direction);
    return { takes, only };
  }

  function extent() {
    const { takes } = inPicture();
    let [least, most] = [Infinity, -Infinity];
    for (const rows of [segments, messages]) {
      for (const row of rows) {
        if (!takes(row)) continue;
        const from = state.axis === "bytes" ? row[OFFSET] : row[TIME];
        if (from === null) continue;
        const to = state.axis === "bytes" ? from + row[SEGMENT_LENGTH] : from;
        if (from < least) least = from;
        if (to > most) most = to;
      }
    }
    if (least > most) return [0, 1];
    const margin = Math.max((most - least) * 0.01, state.axis === "bytes" ? 0.5 : 1);
    return [least - margin, most + margin];
  }

  const reset = () => (state.view = extent());

  // ---- the picture ----

  const canvas = $("lanes");
  const LANES = [{ way: 0, top: 26 }, { way: 1, top: 104 }];
  const [SEGMENTS_HEIGHT, MESSAGES_HEIGHT] = [20, 26];
  const LEFT = 66;
  let boxes = [];

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = canvas.getBoundingClientRect();
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    const pen = canvas.getContext("2d");
    const colours = getComputedStyle(document.documentElement);
    const colour = (name) => colours.getPropertyValue(`--${name}`).trim();
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    const { takes, only } = inPicture();
    const [from, to] = state.view;
    const scale = (width - LEFT - 10) / (to - from || 1);
    const x = (value) => LEFT + (value - from) * scale;
    boxes = [];
    const pointed = messages[state.hovered];
    axis(pen, { width, height, from, to, x, colour, only });
    for (const { way, top } of LANES) {
      const soft = colour(way === 0 ? "client-soft" : "server-soft");
      const strong = colour(way === 0 ? "client" : "server");
      pen.fillStyle = strong;
      pen.fillText(way === 0 ? "client →" : "← server", 8, top - 10);
      pen.fillStyle = colour("faint");
      pen.fillText("segments", 8, top + SEGMENTS_HEIGHT / 2);
      pen.fillText("messages", 8, top + SEGMENTS_HEIGHT + 4 + MESSAGES_HEIGHT / 2);
      pen.save();
      pen.beginPath();
      pen.rect(LEFT, 0, width - LEFT, height);
      pen.clip();
      lane(segments, way, (row, left, wide) => {
        pen.fillStyle = colour("tail-soft");
        pen.fillRect(left, top, wide, SEGMENTS_HEIGHT);
        if (wide > 3) {
          pen.strokeStyle = colour("faint");
          pen.strokeRect(left + 0.5, top + 0.5, wide - 1, SEGMENTS_HEIGHT - 1);
        }
        if (pointed && carries(row, pointed)) outline(pen, left, top, wide, SEGMENTS_HEIGHT, colour("focus"));
        if (wide > 34) label(pen, number(row[SEGMENT_LENGTH]), left, wide, top + SEGMENTS_HEIGHT / 2, colour("faint"));
      });
      const below = top + SEGMENTS_HEIGHT + 4;
      lane(messages, way, (row, left, wide, index) => {
        const shown = isShown(index);
        pen.globalAlpha = shown ? 1 : 0.25;
        pen.fillStyle = soft;
        pen.fillRect(left, below, wide, MESSAGES_HEIGHT);
        if (state.axis === "bytes" && row[HEAD] > 0 && row[PAYLOAD] > 0) {
          pen.fillStyle = colour("head-soft");
          pen.fillRect(left, below, Math.min(wide, row[HEAD] * scale), MESSAGES_HEIGHT);
        }
        const selected = messages[state.shown[state.selected]] === row;
        if (wide > 3 || selected) {
          pen.strokeStyle = selected ? colour("focus") : strong;
          pen.lineWidth = selected ? 2.5 : 1;
          pen.strokeRect(left + 0.5, below + 0.5, Math.max(1, wide - 1), MESSAGES_HEIGHT - 1);
          pen.lineWidth = 1;
        }
        if (row === pointed) outline(pen, left, below, wide, MESSAGES_HEIGHT, colour("focus"));
        if (wide > 46) label(pen, content(row, 60), left, wide, below + MESSAGES_HEIGHT / 2, colour("ink"));
        pen.globalAlpha = 1;
        boxes.push({ left, right: left + wide, top: below, bottom: below + MESSAGES_HEIGHT, index });
      });
      for (const mark of marks) {
        const value = state.axis === "bytes" ? mark[OFFSET] : mark[TIME];
        if (mark[WAY] !== way || value === null || !takes(mark)) continue;
        pen.fillStyle = colour("bad");
        pen.fillRect(x(value) - 1, top - 3, 2, SEGMENTS_HEIGHT + MESSAGES_HEIGHT + 10);
      }
      pen.restore();
    }

    // Boxes that would be drawn over each other on one pixel are drawn once: 100,000 of them would take seconds.
    function lane(rows, way, paint) {
      let last = -Infinity;
      for (let index = 0; index < rows.length; index++) {
        const row = rows[index];
        if (row[WAY] !== way || !takes(row)) continue;
        const at = state.axis === "bytes" ? row[OFFSET] : row[TIME];
        if (at === null) continue;
        const left = x(at);
        const wide = state.axis === "bytes" ? Math.max(1, row[SEGMENT_LENGTH] * scale) : 3;
        const selected = rows === messages && messages[state.shown[state.selected]] === row;
        const kept = selected || (pointed && (row === pointed || (rows === segments && carries(row, pointed))));
        if (left + wide < LEFT || left > width || (left + wide < last + 0.7 && !kept)) continue;
        last = left + wide;
        paint(row, left, wide, index);
      }
    }
  }

  // Whether a segment carried a message, or a part of it.
  const carries = (segment, message) =>
    segment[CONN] === message[CONN] && segment[WAY] === message[WAY] &&
    segment[OFFSET] < message[OFFSET] + message[TOTAL] && segment[OFFSET] + segment[SEGMENT_LENGTH] > message[OFFSET];

  function outline(pen, left, top, wide, height, colour) {
    pen.strokeStyle = colour;
    pen.lineWidth = 2.5;
    pen.strokeRect(left + 0.5, top + 0.5, Math.max(1, wide - 1), height - 1);
    pen.lineWidth = 1;
  }

  // The message under the pointer is shown below, and outlined in the picture with the segments that carried it.
  function point(index) {
    if (index === state.hovered) return;
    state.hovered = index;
    draw();
    detail(index >= 0 ? index : state.shown[state.selected]);
  }

  const isShown = (index) => {
    let [low, high] = [0, state.shown.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (state.shown[middle] < index) low = middle + 1;
      else high = middle;
    }
    return state.shown[low] === index;
  };

  function label(pen, text, left, wide, middle, colour) {
    const start = Math.max(left, LEFT) + 5;
    const room = left + wide - start - 4;
    if (room < 12) return;
    pen.save();
    pen.beginPath();
    pen.rect(start, middle - 12, room, 24);
    pen.clip();
    pen.fillStyle = colour;
    pen.fillText(text, start, middle);
    pen.restore();
  }

  function axis(pen, { width, height, from, to, x, colour, only }) {
    const span = to - from;
    const rough = span / Math.max(2, (width - LEFT) / 110);
    const power = 10 ** Math.floor(Math.log10(rough || 1));
    let step = [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= rough) || power * 10;
    if (state.axis === "bytes") step = Math.max(1, Math.round(step));
    pen.strokeStyle = colour("line");
    pen.fillStyle = colour("faint");
    for (let value = Math.ceil(from / step) * step; value <= to; value += step) {
      const left = Math.round(x(value)) + 0.5;
      if (left < LEFT) continue;
      pen.beginPath();
      pen.moveTo(left, 18);
      pen.lineTo(left, height - 22);
      pen.stroke();
      pen.fillText(state.axis === "bytes" ? `@${number(Math.round(value) || 0)}` : clock(value), left + 3, height - 12);
    }
    const what = state.axis === "bytes" ? `bytes of connection ${only}` : "time";
    pen.textAlign = "right";
    pen.fillText(what, width - 8, 12);
    pen.textAlign = "left";
  }

  function at(event) {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  const hit = (left, top) => boxes.findLast((box) => left >= box.left - 2 && left <= box.right + 2 && top >= box.top && top <= box.bottom);

  canvas.addEventListener("pointermove", (event) => {
    const [left, top] = at(event);
    if (state.drag) {
      const [from, to] = state.drag.view;
      const moved = ((state.drag.left - left) / (canvas.clientWidth - LEFT - 10)) * (to - from);
      state.view = [from + moved, to + moved];
      state.drag.moved = state.drag.moved || Math.abs(state.drag.left - left) > 3;
      draw();
      return;
    }
    const box = hit(left, top);
    if (box) point(box.index);
  });
  canvas.addEventListener("pointerleave", () => point(-1));
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    state.drag = { left: at(event)[0], view: state.view, moved: false };
  });
  canvas.addEventListener("pointerup", (event) => {
    const moved = state.drag && state.drag.moved;
    state.drag = null;
    const box = moved ? null : hit(...at(event));
    if (box && isShown(box.index)) select(state.shown.indexOf(box.index));
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const [from, to] = state.view;
      zoom(event.deltaY > 0 ? 1.25 : 0.8, from + ((at(event)[0] - LEFT) / (canvas.clientWidth - LEFT - 10)) * (to - from));
    },
    { passive: false },
  );

  function zoom(factor, around) {
    const [from, to] = state.view;
    state.view = [around + (from - around) * factor, around + (to - around) * factor];
    draw();
  }

  // ---- the table: only the rows that can be seen are in the document ----

  const list = $("list");
  const rows = $("rows");

  function table() {
    rows.style.height = `${state.shown.length * ROW}px`;
    list.setAttribute("aria-rowcount", String(state.shown.length + 1));
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 10);
    const last = Math.min(state.shown.length, first + Math.ceil(list.clientHeight / ROW) + 20);
    const fragment = document.createDocumentFragment();
    for (let place = first; place < last; place++) {
      const index = state.shown[place];
      const message = messages[index];
      const row = make("div", undefined, message[WAY] === 1 ? "row s" : "row");
      row.setAttribute("role", "row");
      row.setAttribute("aria-rowindex", String(place + 2));
      row.setAttribute("aria-selected", String(place === state.selected));
      row.dataset.place = String(place);
      row.style.top = `${place * ROW}px`;
      const cells = [number(index + 1), clock(message[TIME]), number(message[CONN]), WAYS[message[WAY]], number(message[PAYLOAD] || message[TOTAL]), content(message, 200)];
      for (const text of cells) {
        const cell = make("span", text);
        cell.setAttribute("role", "gridcell");
        row.append(cell);
      }
      fragment.append(row);
    }
    rows.replaceChildren(fragment);
  }

  list.addEventListener("scroll", () => requestAnimationFrame(table));
  rows.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (row) select(+row.dataset.place);
  });

  function select(place) {
    if (state.shown.length === 0) return;
    const before = connectionShown();
    state.selected = Math.max(0, Math.min(state.shown.length - 1, place));
    const top = state.selected * ROW;
    const room = list.clientHeight - ROW;
    if (top < list.scrollTop) list.scrollTop = top;
    if (top + ROW > list.scrollTop + room) list.scrollTop = top + ROW - room;
    if (state.axis === "bytes" && connectionShown() !== before) reset();
    reveal(messages[state.shown[state.selected]]);
    update();
  }

  function reveal(message) {
    const value = state.axis === "bytes" ? message[OFFSET] : message[TIME];
    const [from, to] = state.view;
    if (value === null || (value >= from && value <= to)) return;
    const half = (to - from) / 2;
    state.view = [value - half, value + half];
  }

  // ---- the bytes ----

  function detail(index) {
    const pane = $("detail");
    const message = messages[index];
    if (!message) {
      pane.replaceChildren(make("p", "No message is selected."));
      return;
    }
    const parts = [];
    const who = message[WAY] === 0 ? "client to server" : "server to client";
    parts.push(make("h2", `Message ${number(index + 1)}: ${count(message[PAYLOAD] || message[TOTAL], "byte")}, ${who}`));
    const connection = data.connections.find((one) => one.id === message[CONN]);
    if (connection) parts.push(make("p", visible(`connection ${connection.id}: ${connection.client} to ${connection.server}, ${connection.framing || "no framing"}`)));
    parts.push(make("p", `frame of ${count(message[TOTAL], "byte")} at @${number(message[OFFSET])}${message[TIME] === null ? "" : `, complete after ${clock(message[TIME])}`}`));
    parts.push(...cuts(message));
    const legend = make("p", undefined, "legend");
    legend.append(make("b", "header"), " payload ", make("s", "trailer"));
    parts.push(legend, dump(message));
    const text = content(message, message[KEPT]);
    if (text !== "") parts.push(make("p", text, "text"));
    if (message[KEPT] < message[TOTAL]) parts.push(make("p", `${count(message[TOTAL] - message[KEPT], "byte")} of it are not in this page.`));
    pane.replaceChildren(...parts);
  }

  // Which segments carried it, and what else they carried: two sends in one read, or one send in two.
  function cuts(message) {
    const [from, to] = [message[OFFSET], message[OFFSET] + message[TOTAL]];
    const same = (row) => row[CONN] === message[CONN] && row[WAY] === message[WAY];
    const carriers = segments.filter((row) => carries(row, message));
    if (carriers.length === 0) return [];
    const parts = carriers.map((row) => Math.min(to, row[OFFSET] + row[SEGMENT_LENGTH]) - Math.max(from, row[OFFSET]));
    const lines = [];
    if (carriers.length > 1) {
      lines.push(make("p", `It came in ${carriers.length} segments: ${parts.slice(0, 8).map(number).join(" + ")}${parts.length > 8 ? " + ..." : ""} bytes.`, "clash"));
    }
    const [first, last] = [carriers[0][OFFSET], carriers[carriers.length - 1][OFFSET] + carriers[carriers.length - 1][SEGMENT_LENGTH]];
    const others = messages.filter((row) => same(row) && row !== message && row[OFFSET] < last && row[OFFSET] + row[TOTAL] > first).length;
    if (others > 0) lines.push(make("p", `Its ${carriers.length > 1 ? "segments" : "segment"} also carried ${count(others, "other message")}, whole or in part.`, "clash"));
    if (lines.length === 0) lines.push(make("p", "It came alone, in one segment."));
    return lines;
  }

  function dump(message) {
    const pre = make("div", undefined, "bytes");
    const kept = bytes.subarray(message[AT], message[AT] + message[KEPT]);
    const kind = (at) => (at < message[HEAD] ? "b" : at < message[HEAD] + message[PAYLOAD] ? "u" : "s");
    const put = (texts) => {
      let [run, name] = ["", ""];
      for (const [text, part] of texts) {
        if (part !== name) {
          if (run) pre.append(make(name, run));
          [run, name] = ["", part];
        }
        run += text;
      }
      if (run) pre.append(make(name, run));
    };
    for (let at = 0; at < kept.length; at += 16) {
      const line = [...kept.subarray(at, at + 16)];
      pre.append(make("i", at.toString(16).padStart(4, "0") + "  "));
      put(line.map((byte, i) => [byte.toString(16).padStart(2, "0") + (i === 7 ? "  " : " "), kind(at + i)]));
      pre.append(" ".repeat((16 - line.length) * 3 + (line.length <= 7 ? 1 : 0) + 1));
      put(line.map((byte, i) => [byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·", kind(at + i)]));
      pre.append("\n");
    }
    return pre;
  }

  // ---- keys ----

  function update() {
    table();
    draw();
    detail(state.shown[state.selected]);
  }

  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input[type=search], select");
    if (event.key === "Escape") {
      if ($("text").value !== "") {
        $("text").value = "";
        filter();
        update();
      }
      list.focus();
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(list.clientHeight / ROW) - 2);
    const [from, to] = state.view;
    const keys = {
      ArrowDown: () => select(state.selected + 1), ArrowUp: () => select(state.selected - 1),
      ArrowRight: () => select(state.selected + 1), ArrowLeft: () => select(state.selected - 1),
      PageDown: () => select(state.selected + page), PageUp: () => select(state.selected - page),
      Home: () => select(0), End: () => select(state.shown.length - 1),
      "+": () => zoom(0.8, (from + to) / 2), "-": () => zoom(1.25, (from + to) / 2), 0: () => { reset(); draw(); },
      "/": () => $("text").focus(),
    };
    const radio = event.target.matches("input[type=radio]") && event.key.startsWith("Arrow");
    if (!keys[event.key] || radio) return;
    event.preventDefault();
    keys[event.key]();
  });

  // ---- the start ----

  for (const id of ["connection", "direction", "text"]) {
    $(id).addEventListener("input", () => {
      filter();
      list.scrollTop = 0;
      update();
    });
  }
  for (const radio of document.getElementsByName("axis")) {
    radio.addEventListener("change", () => {
      state.axis = radio.value;
      reset();
      draw();
    });
  }
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = (value) => {
    document.documentElement.dataset.theme = value;
    draw();
  };
  $("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  dark.addEventListener("change", () => theme(dark.matches ? "dark" : "light"));
  new ResizeObserver(() => {
    draw();
    table();
  }).observe(document.body);

  document.title = visible(`${data.title} - unstick`);
  $("title").textContent = visible(data.title);
  $("summary").textContent = visible(`${count(data.connections.length, "connection")}, ${count(messages.length, "message")} in ${count(segments.length, "segment")}${data.start ? `, from ${data.start}` : ""}, by ${data.program}`);
  $("connection").append(new Option("all", ""));
  for (const one of data.connections) $("connection").append(new Option(visible(`${one.id}: ${one.client}`), String(one.id)));
  if (marks.length + data.notes.length > 0) {
    const said = [...data.notes, ...marks.map((mark) => `connection ${mark[CONN]}, ${WAYS[mark[WAY]]} @${mark[OFFSET]}: ${mark[4]}`)];
    $("notes").hidden = false;
    $("notes").textContent = visible(said.slice(0, 3).join("; ") + (said.length > 3 ? `; and ${number(said.length - 3)} more` : ""));
  }
  document.documentElement.dataset.theme = dark.matches ? "dark" : "light";
  if (data.connections.length === 1) $("connection").value = String(data.connections[0].id);
  filter();
  update();
})();
