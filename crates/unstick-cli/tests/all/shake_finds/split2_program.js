// Tells each line on its input in capitals, with the npm package split2.
const split = require('split2')

process.stdin.pipe(split()).on('data', (line) => console.log(line.toUpperCase()))
