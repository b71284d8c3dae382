"""A Modbus device of a hundred registers, as the documentation of pymodbus 2.1 begins one."""
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server.sync import ModbusTcpServer

registers = ModbusSequentialDataBlock(0, list(range(100)))
context = ModbusServerContext(slaves=ModbusSlaveContext(hr=registers), single=True)
server = ModbusTcpServer(context, address=("127.0.0.1", 0))
print("listening on port", server.server_address[1], flush=True)
server.serve_forever()
