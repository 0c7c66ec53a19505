// How Go's wrapper uses the library: by cgo, with the structures' tags, and reading their fields by itself.
package main

/*
#cgo LDFLAGS: -lstapsdt
#include <libstapsdt.h>
#include <stdlib.h>

static SDTProbe_t *add(SDTProvider_t *provider, const char *name, int count, ArgType_t *types)
{
	if (count == 2)
		return providerAddProbe(provider, name, 2, types[0], types[1]);
	return providerAddProbe(provider, name, count, 0, 0, 0, 0, 0, 0, 0);
}

static void fire(SDTProbe_t *probe, void **words) { probeFire(probe, words[0], words[1]); }
*/
import "C"

import (
	"fmt"
	"os"
	"unsafe"
)

type provider = C.struct_SDTProvider
type probe = C.struct_SDTProbe

func enabled(p *probe) bool {
	site := p._fire
	return uintptr(site) != 0 && *(*uint8)(site)&0x90 != 0x90
}

func check(holds bool, what string) {
	if !holds {
		fmt.Fprintln(os.Stderr, "not so:", what)
		os.Exit(1)
	}
}

func main() {
	name := C.CString("goProvider")
	defer C.free(unsafe.Pointer(name))
	var pv *provider = C.providerInit(name)
	check(C.GoString(pv.name) == "goProvider", "the name")
	types := []C.ArgType_t{C.uint64, C.int32}
	var pr *probe = C.add(pv, name, 2, &types[0])
	check(pr.argCount == 2 && !enabled(pr), "a new probe")
	check(C.add(pv, name, 7, nil) == nil, "seven arguments")
	check(int(pv.errno) == 0 && pv.error != nil, "the error")
	check(C.providerLoad(pv) == 0, "loading")
	check(!enabled(pr) && C.probeIsEnabled(pr) == 0, "an untraced probe")
	text := C.CString("text")
	defer C.free(unsafe.Pointer(text))
	words := [2]unsafe.Pointer{unsafe.Pointer(text), nil}
	for i := 0; i < 1000; i++ {
		go func() { _ = enabled(pr) }()
		C.fire(pr, &words[0])
	}
	check(C.providerUnload(pv) == 0 && !enabled(pr), "unloading")
	C.providerDestroy(pv)
	fmt.Println("done")
}
