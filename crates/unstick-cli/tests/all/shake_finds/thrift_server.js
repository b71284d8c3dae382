// A service with one method, `ping`, on the npm package thrift, in frames. What a generator would write is written here.
const thrift = require('thrift')
const { Thrift } = thrift

function Processor() {}
Processor.prototype.process = (input, output) => {
  const call = input.readMessageBegin()
  input.skip(Thrift.Type.STRUCT)
  input.readMessageEnd()
  output.writeMessageBegin(call.fname, Thrift.MessageType.REPLY, call.rseqid)
  output.writeStructBegin('result')
  output.writeFieldBegin('success', Thrift.Type.STRING, 0)
  output.writeString('pong')
  output.writeFieldEnd()
  output.writeFieldStop()
  output.writeStructEnd()
  output.writeMessageEnd()
  output.flush()
}

const options = { transport: thrift.TFramedTransport, protocol: thrift.TBinaryProtocol }
const server = thrift.createServer(Processor, {}, options)
server.on('error', (error) => console.error(error.message))
server.listen(0, '127.0.0.1', () => console.log('listening on port', server.address().port))
