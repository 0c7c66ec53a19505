// Command probed has one function for each shape that the tests of the Go reader look at,
// and pulls in the packages whose functions and types a tracer of servers wants.
package main

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
)

type point struct{ x, y int }

type shape interface{ area(int) int }

//go:noinline
func (p *point) area(n int) int { return len(fmt.Sprint(p.x, p.y, n)) }

// Calls through the interface go through a wrapper that the compiler makes.
type wrapped struct{ *point }

//go:noinline
func ints(a int, b uint8, c int16, d int32) int { return len(fmt.Sprint(a, b, c, d)) }

//go:noinline
func text(s string, n int) int { return len(fmt.Sprint(s, n)) }

//go:noinline
func floats(a float64, b int, c float32) float64 {
	return a + float64(c) + float64(len(fmt.Sprint(b)))
}

//go:noinline
func slices(b []byte, e error) int { return len(fmt.Sprint(b, e)) }

//go:noinline
func structs(p point, q *point) int { return len(fmt.Sprint(p, q)) }

//go:noinline
func arrays(a [2]int, n int) int { return len(fmt.Sprint(a, n)) }

//go:noinline
func many(a, b, c, d, e, f, g, h, i, j int) int {
	return len(fmt.Sprint(a, b, c, d, e, f, g, h, i, j))
}

//go:noinline
func generic[T any](x T, n int) int { return len(fmt.Sprint(x, n)) }

//go:noinline
func deep(n int) int {
	var room [2048]byte
	if n == 0 {
		return int(room[n&7])
	}
	room[n&2047] = byte(n)
	return deep(n-1) + int(room[(n+1)&2047])
}

//go:noinline
func huge(n int) int {
	var room [72 << 10]byte
	for i := range room {
		room[i] = byte(n + i)
	}
	return int(room[n&1023]) + len(fmt.Sprint(n))
}

//go:nosplit
//go:noinline
func leaf(a, b int) int { return a*b + 1 }

//go:noinline
func spin() {
	for {
		runtime.Gosched()
	}
}

func inner(n int) int  { return n*n + len(os.Args) }
func middle(n int) int { return inner(n) + inner(n+1) }

//go:noinline
func outer(n int) int { return middle(n) + len(fmt.Sprint(n)) }

//go:noinline
func other(n int) int { return inner(n) + len(fmt.Sprint(n, n)) }

//go:noinline
func recovers(n int) (r int) {
	defer func() {
		if recover() != nil {
			r = n
		}
	}()
	if n > 1 {
		panic("no")
	}
	return n
}

type nothing struct{}

func (nothing) Open(string) (driver.Conn, error) { return nil, errors.New("nothing to open") }

func main() {
	if len(os.Args) < 2 {
		fmt.Println("ready")
		return
	}
	n := len(os.Args)
	p := &point{n, n}
	var s shape = p
	if n > 3 {
		s = wrapped{p}
	}
	fmt.Println(s.area(n), ints(n, 1, 2, 3), text(os.Args[1], n), floats(1, n, 2), slices([]byte(os.Args[1]), nil),
		structs(*p, p), arrays([2]int{n, n}, n), many(1, 2, 3, 4, 5, 6, 7, 8, 9, n), generic(n, n), generic("x", n),
		deep(n), huge(n), leaf(n, n), outer(n), other(n), recovers(n))
	sql.Register("nothing", nothing{})
	db, err := sql.Open("nothing", "")
	if err == nil {
		_, err = db.Query(os.Args[1])
	}
	fmt.Println(err)
	_, err = tls.Dial("tcp", os.Args[1], &tls.Config{ServerName: os.Args[1]})
	fmt.Println(err)
	_, err = (&net.Dialer{}).DialContext(context.Background(), "tcp", os.Args[1])
	fmt.Println(err)
	_, err = http.Get(os.Args[1])
	fmt.Println(err)
	go spin()
	fmt.Println(http.ListenAndServe(os.Args[1], nil))
}
