// A web server on Node's http, which waits a moment before it answers.
const http = require('http')

const server = http.createServer((request, response) => {
  const parts = []
  request.on('data', (part) => parts.push(part))
  request.on('end', () => setTimeout(() => response.end(Buffer.concat(['a page of Node\n', ...parts].map((part) => Buffer.from(part)))), 5))
})

server.listen(0, '127.0.0.1', () => console.log('listening on port', server.address().port))
