// Fetches a text with the npm package needle and prints it.
require('needle').get(`http://${process.argv[2]}/`, { parse: false }, (error, response, text) => {
  if (error) throw error
  process.stdout.write(text)
})
