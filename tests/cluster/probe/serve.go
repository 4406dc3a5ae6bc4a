package main

import (
	"io"
	"net"
)

// serve echoes what it is sent, over TCP and UDP, until one of the two fails.
func serve(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				failed <- err
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn) // the client notices
			}()
		}
	}()
	go func() {
		buffer := make([]byte, 2048)
		for {
			n, from, err := packets.ReadFrom(buffer)
			if err == nil {
				_, err = packets.WriteTo(buffer[:n], from)
			}
			if err != nil {
				failed <- err
				return
			}
		}
	}()
	return <-failed
}
