package entry

// sysPrlimit is the number of prlimit64(2): this package imports nothing.
const sysPrlimit = 302
