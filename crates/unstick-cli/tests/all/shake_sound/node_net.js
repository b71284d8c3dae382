// Lines on Node's net: each is answered a moment later. Nobody listens for errors, as in most examples.
const net = require('net')

const server = net.createServer((socket) => {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()
    for (const line of lines) setTimeout(() => socket.writable && socket.write(`${line.toUpperCase()}\n`), 5)
  })
})

server.listen(0, '127.0.0.1', () => console.log('listening on port', server.address().port))
