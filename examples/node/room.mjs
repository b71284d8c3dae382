// A room: what one peer says goes to all others. The sockets are unstick's, the rules are this script's.
// Usage: node room.mjs unstick listen --json 8080
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const [program, ...words] = process.argv.slice(2);
const unstick = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
const send = (to, text) => unstick.stdin.write(JSON.stringify({ to, text }) + "\n");

const peers = new Set();
createInterface({ input: unstick.stdout }).on("line", (line) => {
  const event = JSON.parse(line);
  if (event.event === "open") {
    peers.add(event.peer);
    send(event.peer, `welcome, you are ${event.peer} of ${peers.size}`);
  } else if (event.event === "message" && "text" in event) {
    for (const peer of peers) if (peer !== event.peer) send(peer, `${event.peer}: ${event.text}`);
  } else if (event.event === "close") {
    peers.delete(event.peer);
  }
});
unstick.on("close", (status) => process.exit(status ?? 1));
