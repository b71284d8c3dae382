# numbered, and sent again until its number comes back
def send(sock, messages):
    sock.settimeout(0.1)
    for number, message in enumerate(messages):
        mark = number.to_bytes(4, "big")
        answer = None
        while answer != mark:
            sock.send(mark + message)
            try:
                answer = sock.recv(4)
            except TimeoutError:
                pass  # lost, there or on its way back
