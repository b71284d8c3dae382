// An echo on the npm package ws.
const WebSocket = require('ws')

const server = new WebSocket.Server({ port: 0, host: '127.0.0.1' }, () => {
  console.log('listening on port', server.address().port)
})
server.on('connection', (socket) => {
  socket.on('message', (message) => socket.send(message))
  socket.on('error', () => {})
})
