"""A Modbus device of a hundred registers on the asynchronous server of pymodbus 3."""
import asyncio
import logging

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import ModbusTcpServer

logging.disable(logging.CRITICAL)


async def main():
    registers = ModbusSequentialDataBlock(0, list(range(100)))
    context = ModbusServerContext(slaves=ModbusSlaveContext(hr=registers), single=True)
    server = ModbusTcpServer(context, address=("127.0.0.1", 0))
    running = asyncio.create_task(server.serve_forever())
    while not server.transport:
        await asyncio.sleep(0)
    print("listening on port", server.transport.sockets[0].getsockname()[1], flush=True)
    await running


asyncio.run(main())
