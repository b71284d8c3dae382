// A server that says how long a line of text is, in letters.
//
// The mistake: each piece of data is made into text by itself. Half a letter becomes a question mark, twice.
const net = require('net')

const server = net.createServer({ allowHalfOpen: true }, (socket) => {
  let text = ''
  socket.on('data', (data) => {
    text += data.toString()
  })
  socket.on('end', () => socket.end(`${text.trim()} has ${[...text.trim()].length} letters\n`))
  socket.on('error', () => {})
})

server.listen(0, '127.0.0.1', () => console.log('listening on port', server.address().port))
