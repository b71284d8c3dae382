// A small MQTT broker without subscribers, on the stream parser of the npm package mqtt-packet.
const net = require('net')
const mqtt = require('mqtt-packet')

const server = net.createServer((socket) => {
  const parser = mqtt.parser()
  const answer = (packet) => socket.write(mqtt.generate(packet))
  parser.on('packet', (packet) => {
    if (packet.cmd === 'connect') answer({ cmd: 'connack', returnCode: 0, sessionPresent: false })
    if (packet.cmd === 'publish') answer({ cmd: 'puback', messageId: packet.messageId })
    if (packet.cmd === 'pingreq') answer({ cmd: 'pingresp' })
    if (packet.cmd === 'disconnect') socket.end()
  })
  parser.on('error', (error) => {
    console.error(error.message)
    socket.destroy()
  })
  socket.on('data', (data) => parser.parse(data))
  socket.on('error', () => {})
})

server.listen(0, '127.0.0.1', () => console.log('listening on port', server.address().port))
