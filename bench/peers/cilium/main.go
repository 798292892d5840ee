// The second peer: the same work done by cilium/ebpf, built against Debian's packages when they are there.
//
// Debian's version is older than the project's own; bench/README.md says which one was measured.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "cilium_peer:", err)
		os.Exit(1)
	}
}

func report(name, unit string, samples []float64) {
	fmt.Printf("{\"name\":%q,\"unit\":%q,\"samples\":[", name, unit)
	for i, sample := range samples {
		if i > 0 {
			fmt.Print(",")
		}
		fmt.Printf("%.1f", sample)
	}
	fmt.Println("]}")
}

func collection(path string) *ebpf.Collection {
	spec, err := ebpf.LoadCollectionSpec(path)
	check(err)
	loaded, err := ebpf.NewCollection(spec)
	check(err)
	return loaded
}

func open(path string, rounds int) {
	var samples []float64
	for i := 0; i < rounds; i++ {
		start := time.Now()
		_, err := ebpf.LoadCollectionSpec(path)
		check(err)
		samples = append(samples, float64(time.Since(start).Nanoseconds())/1e3)
	}
	report("open", "us", samples)
}

func load(path string, rounds int) {
	var samples []float64
	for i := 0; i < rounds; i++ {
		start := time.Now()
		loaded := collection(path)
		samples = append(samples, float64(time.Since(start).Nanoseconds())/1e3)
		loaded.Close()
	}
	report("load", "us", samples)
}

func ring(path string, rounds, events int) {
	loaded := collection(path)
	defer loaded.Close()
	reader, err := ringbuf.NewReader(loaded.Maps["events"])
	check(err)
	var samples []float64
	var record ringbuf.Record
	for i := 0; i < rounds; i++ {
		_, err := loaded.Programs["produce"].Run(&ebpf.RunOptions{Data: make([]byte, 64), Repeat: uint32(events)})
		check(err)
		start := time.Now()
		for n := 0; n < events; n++ {
			check(reader.ReadInto(&record))
		}
		samples = append(samples, float64(time.Since(start).Nanoseconds())/float64(events))
	}
	report("ring", "ns", samples)
}

func table(path string, rounds int) {
	const count = 60000
	loaded := collection(path)
	defer loaded.Close()
	table := loaded.Maps["table"]
	for i := uint64(0); i < count; i++ {
		check(table.Put(i, i))
	}
	var lookups, updates []float64
	for i := 0; i < rounds; i++ {
		var value uint64
		start := time.Now()
		for key := uint64(0); key < count; key++ {
			check(table.Lookup(&key, &value))
		}
		lookups = append(lookups, float64(time.Since(start).Nanoseconds())/count)
		start = time.Now()
		for key := uint64(0); key < count; key++ {
			check(table.Put(&key, &key))
		}
		updates = append(updates, float64(time.Since(start).Nanoseconds())/count)
	}
	report("lookup", "ns", lookups)
	report("update", "ns", updates)
}

func main() {
	number := func(i int) int {
		value, err := strconv.Atoi(os.Args[i])
		check(err)
		return value
	}
	switch {
	case len(os.Args) == 4 && os.Args[1] == "open":
		open(os.Args[2], number(3))
	case len(os.Args) == 4 && os.Args[1] == "load":
		load(os.Args[2], number(3))
	case len(os.Args) == 5 && os.Args[1] == "ring":
		ring(os.Args[2], number(3), number(4))
	case len(os.Args) == 4 && os.Args[1] == "map":
		table(os.Args[2], number(3))
	default:
		fmt.Fprintln(os.Stderr, "usage: cilium_peer open|load|map FILE N | ring FILE N EVENTS")
		os.Exit(2)
	}
}
