package entry

// System calls: this package imports no package that knows them.
const (
	sysPrlimit          = 261
	sysMadvise          = 233
	sysPrctl            = 167
	sysSchedSetaffinity = 122
	sysSchedGetaffinity = 123
)
