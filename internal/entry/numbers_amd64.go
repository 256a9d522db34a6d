package entry

// System calls: this package imports no package that knows them.
const (
	sysPrlimit          = 302
	sysMadvise          = 28
	sysPrctl            = 157
	sysSchedSetaffinity = 203
	sysSchedGetaffinity = 204
)
