// A small server: a 4-byte length in front of each message; answers in capitals. Usage: node server.mjs PORT
import { createServer } from "node:net";

createServer((socket) => {
  let rest = Buffer.alloc(0);
  socket.on("error", () => socket.destroy());
  socket.on("data", (data) => {
    // What one event brings is any piece of the stream: keep it until a whole message is there.
    rest = Buffer.concat([rest, data]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE(0)) {
      const end = 4 + rest.readUInt32BE(0);
      const answer = Buffer.from(rest.toString("utf8", 4, end).toUpperCase());
      const head = Buffer.alloc(4);
      head.writeUInt32BE(answer.length);
      socket.write(Buffer.concat([head, answer]));
      rest = rest.subarray(end);
    }
  });
}).listen(Number(process.argv[2]), "127.0.0.1");
