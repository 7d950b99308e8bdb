"""Static and symbolic checks of the contracts: slither, halmos and forge's fuzzer behind `./dev audit`."""
