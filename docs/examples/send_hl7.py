#!/usr/bin/env python3
"""Send the messages of a file over MLLP and print the answers: send_hl7.py FILE [HOST:PORT]."""

import socket
import sys
import time

BEGIN, END = b"\x0b", b"\x1c\r"


def main(path: str, address: str = "127.0.0.1:2575") -> None:
    """Send each message of the file at `path`; `NOW` and `ID` in it become the time and a fresh number."""
    host, _, port = address.rpartition(":")
    with open(path, encoding="utf-8") as file:
        text = file.read().replace("\n", "\r").replace("NOW", time.strftime("%Y%m%d%H%M%S"))
    with socket.create_connection((host, int(port)), 30) as connection:
        for number, body in enumerate(text.split("MSH|")[1:]):
            message = "MSH|" + body.replace("ID", f"{time.time_ns()}{number}", 1)
            connection.sendall(BEGIN + message.encode() + END)
            answer = b""
            while END not in answer:
                answer += connection.recv(65536) or sys.exit("the connection was closed without an answer")
            print(answer.strip(BEGIN + END).decode().replace("\r", "\n"))


if __name__ == "__main__":
    main(*sys.argv[1:])
